"""Bytes that no client would send: never a 500, never a hang, never an echo, never out of step."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.limits import Limits, Pace
from tests.contract.edge.link_server import LinkServer
from tests.contract.edge.raw_client import LINKS, raw_client
from tests.contract.edge.running_edge import Edge, running_edge

# Must come back in no answer; what a link's page or a problem says contains nothing like it.
MARK = b"zqjxkw"
HURRIED = Limits(
    head_seconds=0.15,
    idle_seconds=0.3,
    linger_seconds=0.15,
    body=Pace(grace_seconds=0.15),
    answer=Pace(grace_seconds=0.3),
)


@pytest.fixture(scope="module")
async def subject(redis_server_url: str, shared_server: LinkServer) -> AsyncIterator[Edge]:
    """An edge in a hurry, so that what ends by a deadline ends soon."""
    async with running_edge(redis_server_url, shared_server.port, prefix="fuzz", limits=HURRIED) as edge:
        yield edge


def pieces(*usual: bytes) -> st.SearchStrategy[bytes]:
    """Nearly always one of these, the first most often; now and then anything."""
    weighted = st.sampled_from(usual[:1] * len(usual) + usual)
    return st.integers(0, 29).flatmap(lambda number: weighted if number else st.binary(max_size=12))


METHODS = pieces(b"GET", b"POST", b"POST", b"HEAD", b"OPTIONS", b"CONNECT", b"PRI", b"get", MARK)
TARGETS = pieces(
    b"/l/shoe22",
    b"/l/" + MARK,
    b"/healthz",
    LINKS.encode(),
    b"/api/v1/%00" + MARK,
    b"/../" + MARK,
    b"*",
    b"http://" + MARK + b"/healthz",
    b"/" + MARK * 2000,
)
VERSIONS = pieces(b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.9", b"http/1.1")
BREAKS = st.sampled_from([b"\r\n"] * 150 + [b"\n", b"\r", b"\r\r\n", b"\n\r", b""])
HOSTS = pieces(b"Host: a.example\r\n", b"Host: a.example\r\n", b"Host: " + MARK + b"\r\n", b"")
HEADERS = pieces(
    b"Accept: */*",
    b"Host: a.example",
    b"Host : a",
    b"Content-Length: 0",
    b"Content-Length: 2",
    b"Content-Length: 7",
    b"Content-Length: -1",
    b"Content-Length: 18446744073709551615",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: " + MARK,
    b"Content-Type: application/json",
    b"Content-Encoding: gzip",
    b"Content-Encoding: " + MARK,
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: Upgrade",
    b"Upgrade: h2c",
    b"Upgrade: websocket",
    b"Expect: 100-continue",
    b"Expect: " + MARK,
    b"X-" + MARK + b": " + MARK,
    b" folded " + MARK,
    b"X: " + MARK * 3000,
    b"Accept: text/html",
    b"Accept-Encoding: gzip;q=" + MARK,
    b"If-None-Match: " + MARK,
    b"Origin: " + MARK,
    b"Authorization: " + MARK,
    b"X-Forwarded-For: " + MARK,
)
BODIES = pieces(
    b"", b"{}", b"2\r\n{}\r\n0\r\n\r\n", b"0\r\n\r\n", b"ffffffffffffffffff\r\n", b"\x1f\x8b" + MARK, MARK
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Something like a request."""
    line = draw(METHODS) + b" " + draw(TARGETS) + b" " + draw(VERSIONS) + draw(BREAKS) + draw(HOSTS)
    headers = b"".join(draw(HEADERS) + draw(BREAKS) for _ in range(draw(st.integers(0, 5))))
    return line + headers + draw(BREAKS) + draw(BODIES)


CONVERSATIONS = st.one_of(st.lists(requests(), min_size=1, max_size=3).map(b"".join), st.binary(max_size=200))


async def converse(edge: Edge, sent: bytes, cut: int, *, and_leave: bool) -> bytes:
    async with raw_client(edge.address) as client:
        client.send(sent[:cut])
        await asyncio.sleep(0)
        client.send(sent[cut:])
        if and_leave:
            client.writer.write_eof()
        return await client.rest(within=4.0)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(talks=st.lists(st.tuples(CONVERSATIONS, st.integers(0, 200), st.booleans()), min_size=8, max_size=8))
async def test_nothing_that_is_sent_upsets_the_edge(
    subject: Edge, talks: list[tuple[bytes, int, bool]]
) -> None:
    """Every connection ends by itself; its answers are whole, are no 5xx of ours, and repeat nothing."""
    answers = await asyncio.gather(
        *(converse(subject, sent, cut, and_leave=leaves) for sent, cut, leaves in talks)
    )
    for received in answers:
        assert MARK not in received.lower()
        assert set(statuses_of(received)) <= EXPECTED


EXPECTED = {100, 200, 204, 302, 304, 400, 404, 405, 408, 413, 414, 415, 417, 431, 501, 505}
_HEAD = re.compile(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")


def statuses_of(received: bytes) -> list[int]:
    """The statuses of all answers; fails when there is anything between or behind them."""
    statuses, at = [], 0
    while at < len(received):
        head = _HEAD.match(received, at)
        assert head is not None, "the bytes here belong to no answer"
        statuses.append(int(head[1]))
        length = re.search(rb"content-length: (\d+)", head[2].lower())
        at = head.end()
        whole = at + int(length[1]) if length else at
        # The answer to HEAD has a length and no body.
        at = at if received[at : at + 5] == b"HTTP/" else whole
    return statuses


async def test_after_all_that_the_edge_is_well(subject: Edge) -> None:
    """Nothing unforeseen was met, and links are followed."""
    assert await subject.metric("millrace_edge_unforeseen_errors_total", where="handler") == 0
    assert (await subject.get("/l/shoe22")).status == 302
