"""Bodies that strangers send instead of events: refused by name, not stored, and no harm to the door.

What each member of an event may be is tested with `millrace.streams.event_input`.
"""

import gzip
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from edge.bodies import MAX_BODY_BYTES
from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis
from tests.contract.edge.event_client import BOTH_WAYS, event, everything_stored, posted, send
from tests.contract.edge.link_server import LinkServer
from tests.contract.edge.raw_client import ask_once, raw_client
from tests.contract.edge.running_edge import Edge, running_edge

PREFIX = "refusing"
GOOD = json.dumps(event()).encode()
DEEP = b"[" * 50_000 + b"]" * 50_000
LONG_NUMBER = b"9" * 5_000
UNFORESEEN = ("millrace_edge_unforeseen_errors_total", "handler")

# Body, the status, and what the first rejection says.
MALFORMED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "body"),
    "spaces": (b" \r\n ", "body"),
    "truncated": (GOOD[:-5], "body"),
    "truncated batch": (b'{"events": [' + GOOD, "body"),
    "trailing comma": (b"[" + GOOD + b",]", "body"),
    "two documents": (GOOD + GOOD, "body"),
    "no JSON": (b"type=page_view&sessionId=s-1", "body"),
    "no UTF-8": (b'{"type": "page_view", "sessionId": "\xff\xfe"}', ""),
    "a NUL byte behind": (GOOD + b"\x00", "body"),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD, "body"),
    "50,000 brackets": (DEEP, ""),
    "50,000 brackets open": (b"[" * 50_000, "body"),
    "50,000 brackets in a member": (
        b'{"type": "page_view", "sessionId": "s", "metadata": ' + DEEP + b"}",
        "",
    ),
    "50,000 braces": (b'{"metadata":' * 50_000 + b"1" + b"}" * 50_000, ""),
    "5,000 digits": (LONG_NUMBER, "body"),
    "5,000 digits in a member": (
        b'{"type": "page_view", "sessionId": "s", "metadata": {"n": ' + LONG_NUMBER + b"}}",
        "",
    ),
    "5,000 digits for a name": (b'{"type": "page_view", "sessionId": ' + LONG_NUMBER + b"}", "sessionId"),
    "NaN": (b'{"type": "page_view", "sessionId": "s", "metadata": {"n": NaN}}', ""),
    "infinity": (b'{"type": "page_view", "sessionId": "s", "metadata": {"n": -Infinity}}', ""),
    "null": (b"null", "body"),
    "a number": (b"7", "body"),
    "a string": (b'"page_view"', "body"),
    "no events": (b"[]", "events"),
    "no events in a batch": (b'{"events": []}', "events"),
    "events of another type": (b'{"events": {"type": "page_view"}}', "events"),
    "501 events": (json.dumps([event()] * 501).encode(), "events"),
    "501 events in a batch": (json.dumps({"events": [event()] * 501}).encode(), "events"),
    "when it was sent": (json.dumps({"events": [event()], "sentAt": "yesterday"}).encode(), "sentAt"),
    "events that are none": (b'[1, null, "x", [], true]', ""),
    "an empty event": (b"{}", "type"),
    "a type that is none": (json.dumps(event(type="nothing")).encode(), "type"),
    "a type of another type": (json.dumps(event(type=7)).encode(), "type"),
    "the search service's own": (json.dumps(event(type="search")).encode(), "type"),
    "a name of another type": (json.dumps(event(sessionId={"a": 1})).encode(), "sessionId"),
    "an empty name": (json.dumps(event(sessionId="")).encode(), "sessionId"),
    "a long name": (json.dumps(event(userId="u" * 129)).encode(), "userId"),
    "metadata of another type": (json.dumps(event(metadata=[1])).encode(), "metadata"),
    "an old time": (json.dumps(event(timestamp="2001-01-01T00:00:00Z")).encode(), "timestamp"),
    "an id that is none": (json.dumps(event(id="7")).encode(), "id"),
}


@pytest.fixture(scope="module")
async def subject(redis_server_url: str, shared_server: LinkServer) -> AsyncIterator[Edge]:
    """An edge that is sent nothing good."""
    async with running_edge(redis_server_url, shared_server.port, prefix=PREFIX, event_rate=0) as running:
        yield running


async def assert_nothing_happened(edge: Edge, redis: PipeliningRedis) -> None:
    assert await everything_stored(redis, StreamKeys(PREFIX)) == []
    assert await edge.metric(UNFORESEEN[0], where=UNFORESEEN[1]) == 0


@pytest.fixture
async def redis(redis_server_url: str) -> AsyncIterator[PipeliningRedis]:
    """A client of the session's Valkey, which is left as it is."""
    async with await PipeliningRedis.open(redis_server_url, timeout=5.0) as client:
        yield client


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_no_event(subject: Edge, redis: PipeliningRedis, name: str) -> None:
    """400 that names the member, the same both ways; nothing is stored and nothing unforeseen happens."""
    body, field = MALFORMED[name]
    documents: list[Any] = []
    for target in BOTH_WAYS:
        answer = await ask_once(subject.address, posted(body, target=target))
        assert (answer.status, answer.is_problem) == (400, True), answer.body
        first = answer.document["rejected"][0]
        assert set(first) == {"index", "field", "reason"}
        assert first["index"] == 0
        assert first["reason"]
        assert first["field"] == field or not field
        assert first["field"] in answer.document["detail"]
        documents.append({**answer.document, "instance": ""})
    assert documents[0] == documents[1]
    await assert_nothing_happened(subject, redis)


@pytest.mark.parametrize(
    ("body", "header", "status"),
    [
        (gzip.compress(b" " * (MAX_BODY_BYTES + 1)), "gzip", 413),
        (gzip.compress(b"[" * 50_000_000, 1), "gzip", 413),
        (b"this is not gzip at all", "gzip", 400),
        (gzip.compress(GOOD)[:-6], "gzip", 400),
        (gzip.compress(GOOD) + b"more", "gzip", 400),
        (b"", "gzip", 400),
        (gzip.compress(gzip.compress(GOOD)), "gzip, gzip", 415),
        (zlib.compress(GOOD), "deflate", 415),
        (GOOD, "br", 415),
    ],
    ids=["too large", "bomb", "garbage", "torn", "followed", "empty", "twice", "deflate", "brotli"],
)
async def test_codings(subject: Edge, redis: PipeliningRedis, body: bytes, header: str, status: int) -> None:
    """Inflated only as far as the limit; what cannot be is refused."""
    answer = await ask_once(subject.address, posted(body, f"Content-Encoding: {header}"))
    assert (answer.status, answer.is_problem) == (status, True)
    await assert_nothing_happened(subject, redis)


@pytest.mark.parametrize("target", BOTH_WAYS)
async def test_a_body_that_is_too_large(subject: Edge, redis: PipeliningRedis, target: str) -> None:
    """One byte over a mebibyte is 413; a mebibyte is read, and refused for what it says."""
    for size, status in ((MAX_BODY_BYTES + 1, 413), (MAX_BODY_BYTES, 400)):
        answer = await send(subject, b" " * size, target=target)
        assert (answer.status, answer.is_problem) == (status, True)
    await assert_nothing_happened(subject, redis)


@pytest.mark.parametrize("target", BOTH_WAYS)
@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Type: text/html",
        "Content-Type: application/jsonp",
        "Content-Type: application/json; charset=latin-1",
        "Content-Type: application/json, text/plain",
        "Content-Type: ;",
    ],
)
async def test_types_that_are_not_read(
    subject: Edge, redis: PipeliningRedis, target: str, content_type: str
) -> None:
    """415 that names those that are; no type at all is none of them."""
    answer = await send(subject, event(), target=target, content_type=content_type)
    assert (answer.status, answer.is_problem) == (415, True)
    assert answer.headers["accept"] == "application/json, text/plain"
    await assert_nothing_happened(subject, redis)


async def test_every_bad_event_of_a_batch_is_named(subject: Edge, redis: PipeliningRedis) -> None:
    """Not only the first; the detail says how many there are."""
    answer = await send(subject, [event(type="x"), event(sessionId=""), event(id="y")])
    assert answer.status == 400
    assert [(each["index"], each["field"]) for each in answer.document["rejected"]] == [
        (0, "type"),
        (1, "sessionId"),
        (2, "id"),
    ]
    assert "2 more" in answer.document["detail"]
    await assert_nothing_happened(subject, redis)


async def test_an_event_that_is_no_object(subject: Edge, redis: PipeliningRedis) -> None:
    """It has no field to name: the detail names its place alone."""
    answer = await send(subject, [[event()]])
    assert (answer.status, answer.document["detail"]) == (400, "events[0]: wrong_type")
    await assert_nothing_happened(subject, redis)


async def test_refusals_are_counted_by_reason(subject: Edge) -> None:
    """Bad events by the rule, malformed bodies as such."""
    reason = (await send(subject, event(type="x"))).document["rejected"][0]["reason"]
    rejected, refused = "millrace_edge_events_rejected_total", "millrace_edge_ingestion_refused_total"
    before = await subject.metric(rejected, reason=reason), await subject.metric(refused, reason="malformed")
    await send(subject, event(type="x"))
    await send(subject, b"{")
    after = await subject.metric(rejected, reason=reason), await subject.metric(refused, reason="malformed")
    assert after == (before[0] + 1, before[1] + 1)


async def test_who_asks_first_is_told_before_the_body(subject: Edge) -> None:
    """`Expect: 100-continue` with a type that is not read costs no body."""
    async with raw_client(subject.address) as client:
        head = posted(GOOD, "Expect: 100-continue", content_type="Content-Type: text/html")[: -len(GOOD)]
        assert (await client.ask(head)).status == 415


async def test_who_asks_first_and_is_welcome(subject: Edge) -> None:
    """Is told to go on; the body is judged then."""
    async with raw_client(subject.address) as client:
        assert (await client.ask(posted(b"{}", "Expect: 100-continue")[:-2])).status == 100
        assert (await client.ask(b"{}")).status == 400


@pytest.mark.parametrize("zeros", [20, 5_000])
@pytest.mark.parametrize("arrived", [len(GOOD), 3])
async def test_a_length_with_too_many_digits(subject: Edge, zeros: int, arrived: int) -> None:
    """413, however small the number is and however much of the body is there."""
    length = f"Content-Length: {len(GOOD)}".encode()
    head, _, _ = posted(GOOD).replace(length, length.replace(b": ", b": " + b"0" * zeros)).partition(GOOD)
    async with raw_client(subject.address) as client:
        answer = await client.ask(head + GOOD[:arrived])
    assert (answer.status, answer.is_problem, answer.closes) == (413, True, True)
    assert await subject.metric(UNFORESEEN[0], where=UNFORESEEN[1]) == 0
