"""How much a client may send: heads, bodies, compressed bodies, connections."""

import asyncio
import gzip
import tracemalloc
import zlib

import pytest

from edge.bodies import MAX_BODY_BYTES
from tests.contract.edge.link_server import LinkServer
from tests.contract.edge.raw_client import (
    HOST,
    LINKS,
    ask_once,
    post,
    post_chunked,
    raw_client,
    refused,
    request,
)
from tests.contract.edge.running_edge import Edge, running_edge

REFUSED = "millrace_edge_refused_total"
LINK = "/l/shoe22"
CREATE = "millrace.affiliate.v1.AffiliateService.CreateLink"


def gzipped(content: bytes, *headers: str) -> bytes:
    """A POST that says that its body is gzip."""
    return post(content, "Content-Encoding: gzip", *headers)


def padded(size: int) -> bytes:
    """JSON of this many bytes."""
    return b"{" + b" " * (size - 2) + b"}"


@pytest.mark.parametrize("path", [LINK, "/healthz"])
@pytest.mark.parametrize(
    "headers",
    [
        ["X: " + "y" * 20_000],
        ["X" * 20_000 + ": y"],
        [f"X{number}: y" for number in range(150)],
        [f"X{number}: " + "y" * 8_000 for number in range(5)],
    ],
    ids=["value", "name", "count", "sum"],
)
async def test_a_head_that_is_too_large(shared_edge: Edge, path: str, headers: list[str]) -> None:
    """431, and the end."""
    answer = await refused(shared_edge.address, request(path, HOST, *headers))
    assert (answer.status, answer.is_problem) == (431, True)
    assert b"yyy" not in answer.body


@pytest.mark.parametrize("headers", [[f"X{number}: y" for number in range(95)], ["X: " + "y" * 8_000] * 3])
async def test_a_head_within_the_limits(shared_edge: Edge, headers: list[str]) -> None:
    """Large cookies and many headers are somebody's ordinary day."""
    assert (await ask_once(shared_edge.address, request("/healthz", HOST, *headers))).status == 200


async def test_a_large_head_in_small_pieces(shared_edge: Edge) -> None:
    """Is refused as soon as it is too large, before it ends."""
    async with raw_client(shared_edge.address) as client:
        client.send(request("/healthz", HOST)[:-2])
        for number in range(5):
            client.send(f"X{number}: {'y' * 8_000}\r\n".encode())
            await client.writer.drain()
            await asyncio.sleep(0.01)
        answer = await client.answer()
        assert (answer.status, answer.closes) == (431, True)


async def test_small_heads_behind_a_large_body_are_no_large_head(shared_edge: Edge) -> None:
    """Each head is measured by itself, however much comes in one packet."""
    async with raw_client(shared_edge.address) as client:
        client.send(post(padded(60_000)) + request("/healthz", HOST) * 3)
        assert [(await client.answer()).status for _ in range(4)] == [200] * 4


@pytest.mark.parametrize("path", [LINK, "/healthz"])
async def test_a_long_url(shared_edge: Edge, path: str) -> None:
    """414, and the end; one of 8,000 characters is read."""
    answer = await refused(shared_edge.address, request(f"{path}?{'a' * 9_000}", HOST))
    assert (answer.status, answer.is_problem) == (414, True)
    assert b"aaa" not in answer.body
    assert (await ask_once(shared_edge.address, request(f"{path}?{'a' * 8_000}", HOST))).status < 400


@pytest.mark.parametrize("length", [8_191, 8_200, 9_000, 40_000])
@pytest.mark.parametrize("piece", [1_400, 100_000], ids=["packets", "at-once"])
async def test_a_long_url_is_not_taken_for_a_header(shared_edge: Edge, length: int, piece: int) -> None:
    """Just above the limit and far above it, and in however many packets it comes."""
    sent = request("/" + "a" * (length - 1), HOST, "X: y")
    async with raw_client(shared_edge.address) as client:
        for start in range(0, len(sent), piece):
            client.send(sent[start : start + piece])
            await asyncio.sleep(0.005)
        assert (await client.answer()).status == 414


async def test_a_long_header_in_small_packets_is_not_taken_for_a_url(shared_edge: Edge) -> None:
    """431, as when it comes at once."""
    sent = request("/healthz", HOST, "X: " + "y" * 9_000)
    async with raw_client(shared_edge.address) as client:
        for start in range(0, len(sent), 1_400):
            client.send(sent[start : start + 1_400])
            await asyncio.sleep(0.005)
        assert (await client.answer()).status == 431


async def test_heads_are_counted_by_kind(shared_edge: Edge) -> None:
    """So that an operator who sees them knows what to raise."""
    before = await shared_edge.metric(REFUSED, reason="large_head")
    await refused(shared_edge.address, request("/healthz", HOST, *["X: y"] * 150))
    assert await shared_edge.metric(REFUSED, reason="large_head") == before + 1


@pytest.mark.parametrize("sent", [post(padded(MAX_BODY_BYTES)), post_chunked(*[padded(MAX_BODY_BYTES)])])
async def test_the_largest_body(shared_edge: Edge, sent: bytes) -> None:
    """Is read, announced or in chunks."""
    assert (await ask_once(shared_edge.address, sent)).status == 200


async def test_an_announced_body_that_is_too_large(shared_edge: Edge) -> None:
    """413 before any of it is sent, and the end."""
    head = post(b"").replace(b"Length: 0", b"Length: %d" % (MAX_BODY_BYTES + 1))
    answer = await ask_once(shared_edge.address, head, within=1.0)
    assert (answer.status, answer.is_problem, answer.closes) == (413, True, True)


async def test_chunks_that_become_too_many(shared_edge: Edge) -> None:
    """413 once there is more than the limit, however long it would go on."""
    async with raw_client(shared_edge.address) as client:
        client.send(post_chunked(*[b" " * 65_536] * 17)[:-5])
        answer = await client.answer()
        assert (answer.status, answer.is_problem, answer.closes) == (413, True, True)


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip"])
async def test_a_gzipped_body(shared_edge: Edge, coding: str) -> None:
    """Is inflated, whole or in chunks, and the next request is understood."""
    packed = gzip.compress(b'{"destinationUrl": "https://shop.example/a"}')
    async with raw_client(shared_edge.address) as client:
        for sent in (post(packed, f"Content-Encoding: {coding}"), chunked_gzip(packed, coding)):
            answer = await client.ask(sent)
            assert answer.document["destinationUrl"] == "https://shop.example/a"


def chunked_gzip(packed: bytes, coding: str = "gzip") -> bytes:
    return post_chunked(packed[:7], packed[7:], headers=(f"Content-Encoding: {coding}",))


PACKED = gzip.compress(b"{}")


@pytest.mark.parametrize(
    "content",
    [
        b"no gzip at all",
        b"{}",
        PACKED[:-1],
        PACKED[:-9],
        PACKED[:5],
        PACKED + b"x",
        PACKED + PACKED,
        PACKED[:-8] + bytes(4) + PACKED[-4:],
        zlib.compress(b"{}"),
        bytes(18),
    ],
    ids=[
        "garbage",
        "plain",
        "short",
        "no-sums",
        "head-only",
        "trailing",
        "two",
        "wrong-sum",
        "zlib",
        "zeros",
    ],
)
async def test_what_only_claims_to_be_gzip(shared_edge: Edge, content: bytes) -> None:
    """400, and the end; never 500."""
    answer = await refused(shared_edge.address, gzipped(content))
    assert (answer.status, answer.is_problem) == (400, True)


@pytest.mark.parametrize("coding", ["br", "zstd", "deflate", "compress", "gzip, gzip", "gzip, br", "secret"])
async def test_other_codings(shared_edge: Edge, coding: str) -> None:
    """415 says which one is understood, and repeats nothing."""
    answer = await ask_once(shared_edge.address, post(PACKED, f"Content-Encoding: {coding}"))
    assert (answer.status, answer.is_problem) == (415, True)
    assert answer.headers["accept-encoding"] == "gzip"
    assert b"secret" not in answer.body


async def test_two_lines_of_codings(shared_edge: Edge) -> None:
    """Are a list of two, of which neither is looked at alone."""
    answer = await ask_once(shared_edge.address, gzipped(PACKED, "Content-Encoding: gzip"))
    assert answer.status == 415


async def test_a_gzip_bomb(shared_edge: Edge) -> None:
    """200 MB in a fifth of one is 413, at the price of little more than the limit in memory."""
    packer = zlib.compressobj(9, wbits=31)
    piece = bytes(1 << 20)
    bomb = b"".join(packer.compress(piece) for _ in range(200)) + packer.flush()
    assert len(bomb) < MAX_BODY_BYTES
    tracemalloc.start()
    try:
        answer = await refused(shared_edge.address, gzipped(bomb))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (answer.status, answer.is_problem) == (413, True)
    assert peak < 8 * MAX_BODY_BYTES


async def test_a_body_just_over_the_limit_once_inflated(shared_edge: Edge) -> None:
    """413 by one byte; at the limit it is read."""
    assert (await ask_once(shared_edge.address, gzipped(gzip.compress(padded(MAX_BODY_BYTES))))).status == 200
    answer = await refused(shared_edge.address, gzipped(gzip.compress(padded(MAX_BODY_BYTES + 1))))
    assert answer.status == 413


async def test_a_client_that_leaves_while_it_sends(shared_edge: Edge) -> None:
    """Is nobody's error: nothing unforeseen is counted."""
    async with raw_client(shared_edge.address) as client:
        client.send(post(b"").replace(b"Length: 0", b"Length: 100"))
        await client.writer.drain()
    async with asyncio.timeout(5):
        while await shared_edge.metric("millrace_edge_requests_total", route=CREATE, status="499") == 0:
            await asyncio.sleep(0.02)
    assert await shared_edge.metric("millrace_edge_unforeseen_errors_total", where="handler") == 0


@pytest.mark.parametrize("count", [1, 1000])
async def test_pipelined_requests_wait_in_bounds(
    redis_server_url: str, link_server: LinkServer, count: int
) -> None:
    """While one is answered slowly only so many behind it are kept; in the end all are answered."""
    link_server.delay_seconds = 0.3
    async with (
        running_edge(redis_server_url, link_server.port, prefix="pipe") as edge,
        raw_client(edge.address) as client,
    ):
        client.send(post(b"{}") + request("/healthz", HOST) * count)
        statuses = [(await client.answer()).status for _ in range(count + 1)]
    assert statuses == [200] * (count + 1)


async def test_connections_of_one_address_are_counted_when_refused(
    redis_server_url: str, link_server: LinkServer
) -> None:
    """The one too many is closed at once, and those who have one go on."""
    async with (
        running_edge(
            redis_server_url, link_server.port, max_connections_per_address=2, trusted_proxies=()
        ) as edge,
        raw_client(edge.address) as first,
        raw_client(edge.address) as second,
    ):
        assert (await first.ask(request("/healthz", HOST))).status == 200
        assert (await second.ask(request("/healthz", HOST))).status == 200
        async with raw_client(edge.address) as third:
            assert await third.rest() == b""
        assert (await first.ask(request(LINKS, HOST))).status == 200
        assert await edge.metric(REFUSED, reason="too_many") == 1
        assert await edge.metric("millrace_edge_connections_open") == 2
