"""What a shop's browsers and load tests get at `POST /api/v1/analytics/events`, and what is stored."""

import asyncio
import gzip
import json
import time
import uuid
from dataclasses import replace

import pytest
from uuid_utils import uuid7

from edge import app as edge_app
from edge.limits import USUAL_LIMITS, Pace
from millrace.streams.ids import id_bytes
from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis
from tests.contract.edge.event_client import (
    BOTH_WAYS,
    BY_APPLICATION,
    JSON,
    PLAIN,
    event,
    posted,
    send,
    stored_events,
)
from tests.contract.edge.link_server import LinkServer
from tests.contract.edge.raw_client import HOST, post_chunked, raw_client, request
from tests.contract.edge.running_edge import Edge, running_edge

RECORDED = "millrace_edge_events_recorded_total"


@pytest.mark.parametrize("target", BOTH_WAYS)
async def test_an_event_is_in_the_stream_when_the_answer_is_there(
    edge: Edge, redis: PipeliningRedis, keys: StreamKeys, target: str
) -> None:
    """With all that it says, who sent it, and an id that carries the time of receipt."""
    sent = event(
        type="purchase",
        userId="u-1",
        productId="p-1",
        url="https://shop.example/p/1?utm_source=mail",
        referrer="https://blog.example/",
        metadata={"amount": 1999, "currency": "EUR"},
    )
    answer = await send(edge, sent, target=target)
    assert answer.document == {"accepted": 1, "duplicates": 0, "rejected": []}
    assert (answer.status, answer.headers["content-type"]) == (202, "application/json")
    [stored] = await stored_events(redis, keys)
    assert (stored.type, stored.session_id, stored.user_id, stored.product_id) == (
        "purchase",
        "s-1",
        "u-1",
        "p-1",
    )
    assert (stored.url, stored.referrer) == (sent["url"], sent["referrer"])
    assert stored.metadata is not None
    assert json.loads(stored.metadata) == sent["metadata"]
    assert (stored.human, stored.device, stored.country) == (True, "desktop", "ZZ")
    assert stored.occurred_ms == stored.received_ms == int.from_bytes(stored.event_id[:6], "big")
    assert abs(stored.received_ms - time.time() * 1000) < 10_000


@pytest.mark.parametrize(
    ("body", "count"),
    [(event(), 1), ([event(), event()], 2), ({"events": [event(), event(), event()]}, 3)],
    ids=["one", "array", "batch"],
)
async def test_the_three_forms_of_a_body(
    edge: Edge, redis: PipeliningRedis, keys: StreamKeys, body: object, count: int
) -> None:
    """One event, a bare array, and an object with `events`; ids of one request follow each other."""
    assert (await send(edge, body)).document["accepted"] == count
    ids = [int.from_bytes(stored.event_id) for stored in await stored_events(redis, keys)]
    assert ids == list(range(ids[0], ids[0] + count))


async def test_every_event_is_judged_by_itself(edge: Edge, redis: PipeliningRedis, keys: StreamKeys) -> None:
    """The bad ones are named by place, member and reason; the good ones are stored."""
    answer = await send(edge, [event(), event(sessionId=None), event(type="nothing"), event(sessionId="s-4")])
    assert answer.status == 202
    assert answer.document["accepted"] == 2
    assert [(each["index"], each["field"]) for each in answer.document["rejected"]] == [
        (1, "sessionId"),
        (2, "type"),
    ]
    assert all(each["reason"] for each in answer.document["rejected"])
    assert [stored.session_id for stored in await stored_events(redis, keys)] == ["s-1", "s-4"]


@pytest.mark.parametrize("target", BOTH_WAYS)
async def test_fifty_at_once_with_one_id(
    edge: Edge, redis: PipeliningRedis, keys: StreamKeys, target: str
) -> None:
    """One of them is accepted, the others are told that they are duplicates, and one is stored."""
    given = str(uuid.uuid4())
    answers = await asyncio.gather(*(send(edge, event(id=given), target=target) for _ in range(50)))
    assert [answer.status for answer in answers] == [202] * 50
    assert sorted(answer.document["accepted"] for answer in answers) == [0] * 49 + [1]
    assert sum(answer.document["duplicates"] for answer in answers) == 49
    [stored] = await stored_events(redis, keys)
    assert stored.client_id == id_bytes(given)


async def test_the_same_id_twice_in_a_batch(edge: Edge, redis: PipeliningRedis, keys: StreamKeys) -> None:
    """Counts once; beside it others are accepted."""
    given = str(uuid7())
    answer = await send(edge, [event(id=given), event(), event(id=given)])
    assert answer.document == {"accepted": 2, "duplicates": 1, "rejected": []}
    ids = [stored.event_id for stored in await stored_events(redis, keys)]
    assert ids.count(id_bytes(given)) == 1
    assert len(ids) == 2


async def test_bots_are_accepted_and_marked(edge: Edge, redis: PipeliningRedis, keys: StreamKeys) -> None:
    """A crawler and whoever names no browser; metrics count them apart."""
    for agent in ("Googlebot/2.1 (+http://www.google.com/bot.html)", ""):
        assert (await send(edge, event(), agent=agent)).status == 202
    assert (await send(edge, event())).status == 202
    assert [stored.human for stored in await stored_events(redis, keys)] == [False, False, True]
    assert await edge.metric(RECORDED, verdict="bot") == 2
    assert await edge.metric(RECORDED, verdict="human") == 1


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "text/plain;charset=UTF-8", 'Application/JSON; charset="utf-8"', "application/json; x=1"],
)
async def test_the_types_that_are_read(edge: Edge, content_type: str) -> None:
    """JSON under its own name, and as text from `sendBeacon`, with either spelling of the charset."""
    for target in BOTH_WAYS:
        answer = await send(edge, event(), target=target, content_type=f"Content-Type: {content_type}")
        assert answer.status == 202


async def test_gzip(edge: Edge, redis: PipeliningRedis, keys: StreamKeys) -> None:
    """Is inflated."""
    body = gzip.compress(json.dumps([event()] * 20).encode())
    answer = await send(edge, body, "Content-Encoding: gzip")
    assert answer.document["accepted"] == 20
    assert len(await stored_events(redis, keys)) == 20


async def test_chunks(edge: Edge) -> None:
    """A body without a length is read like any other."""
    chunks = json.dumps(event()).encode().partition(b"sess")
    async with raw_client(edge.address) as client:
        answer = await client.ask(post_chunked(*chunks).replace(b"/api/v1/affiliate/links", PLAIN.encode()))
        assert answer.status == 202


async def test_a_body_in_many_packets(edge: Edge, redis: PipeliningRedis, keys: StreamKeys) -> None:
    """However it is cut, and the connection goes on."""
    whole = posted(json.dumps([event()] * 40).encode())
    async with raw_client(edge.address) as client:
        for size in (1, 700):
            head = whole.index(b"\r\n\r\n") + 4
            client.send(whole[:head])
            for start in range(head, len(whole), size if size > 1 else len(whole) - head - 1):
                await asyncio.sleep(0.002)
                client.send(whole[start : start + (size if size > 1 else len(whole) - head - 1)])
            assert (await client.answer()).document["accepted"] == 40
    assert len(await stored_events(redis, keys)) == 80


async def test_many_requests_in_one_packet(edge: Edge, redis: PipeliningRedis, keys: StreamKeys) -> None:
    """Are answered in their order, between links and other paths as well."""
    sent = [posted(json.dumps([event()] * count).encode()) for count in range(1, 6)]
    async with raw_client(edge.address) as client:
        client.send(sent[0] + request("/l/shoe22", HOST) + sent[1] + sent[2] + request("/healthz", HOST))
        client.send(sent[3] + sent[4])
        answers = [await client.answer() for _ in range(7)]
    assert [answer.status for answer in answers] == [202, 302, 202, 202, 200, 202, 202]
    assert [answer.document["accepted"] for answer in answers if answer.status == 202] == [1, 2, 3, 4, 5]
    assert len(await stored_events(redis, keys)) == 15


async def test_a_client_that_shuts_its_side_is_answered(edge: Edge) -> None:
    """As `curl` and load tests do at their end."""
    async with raw_client(edge.address) as client:
        client.send(posted(json.dumps(event()).encode()))
        client.writer.write_eof()
        assert (await client.answer()).status == 202
        assert await client.rest() == b""


async def test_a_body_whose_end_never_comes(edge: Edge, redis: PipeliningRedis, keys: StreamKeys) -> None:
    """The client leaves in the middle: nothing is stored, and the edge goes on."""
    whole = posted(json.dumps(event()).encode())
    async with raw_client(edge.address) as client:
        client.send(whole[:-5])
        client.writer.write_eof()
        assert await client.rest() == b""
    assert await stored_events(redis, keys) == []
    assert (await send(edge, event())).status == 202


async def test_a_body_that_comes_too_slowly(
    redis_url: str, link_server: LinkServer, redis: PipeliningRedis
) -> None:
    """408, and the end; who sends at all is waited for."""
    limits = replace(USUAL_LIMITS, body=Pace(grace_seconds=0.3, bytes_per_second=1_000))
    whole = posted(json.dumps([event()] * 8).encode())
    async with running_edge(redis_url, link_server.port, limits=limits, prefix="slow") as subject:
        async with raw_client(subject.address) as client:
            answer = await client.ask(whole[:-5])
            assert (answer.status, answer.is_problem, answer.closes) == (408, True, True)
        assert await stored_events(redis, StreamKeys("slow")) == []
        async with raw_client(subject.address) as client:
            client.send(whole[:-200])
            await asyncio.sleep(0.5)
            assert (await client.ask(whole[-200:])).status == 202


async def test_a_plain_request_needs_no_application(
    redis_url: str, redis_prefix: str, link_server: LinkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which would cost it more than all its events; anything unusual goes there."""

    async def fail(_: object) -> None:
        raise RuntimeError("the application was asked")

    monkeypatch.setattr(edge_app, "answer_events", fail)
    async with running_edge(redis_url, link_server.port, prefix=redis_prefix) as subject:
        assert (await send(subject, event())).status == 202
        assert (await send(subject, event(), "Origin: https://shop.example")).status == 202
        assert (await send(subject, event(), target=BY_APPLICATION)).status == 500


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
async def test_other_methods(edge: Edge, method: str) -> None:
    """405 with what the path takes."""
    async with raw_client(edge.address) as client:
        answer = await client.ask(request(PLAIN, HOST, method=method), to_head=method == "HEAD")
    assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")


async def test_options(edge: Edge) -> None:
    """204 with what the path takes."""
    async with raw_client(edge.address) as client:
        answer = await client.ask(request(PLAIN, HOST, method="OPTIONS"))
    assert (answer.status, answer.headers["allow"]) == (204, "POST, OPTIONS")


async def test_sessions_are_spread_over_shards(
    redis_url: str, redis_prefix: str, link_server: LinkServer, redis: PipeliningRedis
) -> None:
    """One request may write to several; its answer is one."""
    given = str(uuid.uuid4())
    events = [event(sessionId=f"s-{number}") for number in range(40)]
    events += [event(id=given, sessionId="s-0")] * 2
    async with running_edge(redis_url, link_server.port, prefix=redis_prefix, stream_shards=4) as subject:
        answer = await send(subject, events)
    assert answer.document == {"accepted": 41, "duplicates": 1, "rejected": []}
    keys = StreamKeys(redis_prefix, 4)
    assert len(await stored_events(redis, keys)) == 41
    for shard in range(4):
        assert await redis.execute("XLEN", keys.events(shard)) > 0


async def test_the_country_a_proxy_names(
    redis_url: str, redis_prefix: str, link_server: LinkServer, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """Is believed when it is one, in capitals."""
    async with running_edge(
        redis_url, link_server.port, prefix=redis_prefix, country_header="CF-IPCountry"
    ) as subject:
        for written in ("de", "XX", "T1", "Germany", ""):
            await send(subject, event(), f"CF-IPCountry: {written}")
    assert [each.country for each in await stored_events(redis, keys)] == ["DE", "ZZ", "ZZ", "ZZ", "ZZ"]


async def test_the_country_a_stranger_names(
    redis_url: str, redis_prefix: str, link_server: LinkServer, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """Is not believed."""
    async with running_edge(
        redis_url,
        link_server.port,
        prefix=redis_prefix,
        country_header="CF-IPCountry",
        trusted_proxies="10.0.0.0/8",
    ) as subject:
        await send(subject, event(), "CF-IPCountry: DE")
    assert [each.country for each in await stored_events(redis, keys)] == ["ZZ"]


async def test_live_counters_know_the_event_at_once(
    edge: Edge, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """In the hash of its hour and shard."""
    await send(edge, [event(), event(type="purchase")])
    [stored, _] = await stored_events(redis, keys)
    minute = stored.occurred_ms // 60_000
    live = await redis.execute("HGETALL", keys.events_live(0, minute // 60))
    assert dict(zip(live[::2], live[1::2], strict=True)) == {
        b"%dp" % (minute % 60): b"1",
        b"%dy" % (minute % 60): b"1",
    }


async def test_the_connection_goes_on(edge: Edge) -> None:
    """After an answer and after a refusal, over one connection."""
    async with raw_client(edge.address) as client:
        for body, status in ((b"{}", 400), (json.dumps(event()).encode(), 202), (b"[", 400), (b"[]", 400)):
            answer = await client.ask(posted(body, content_type=JSON))
            assert (answer.status, answer.closes) == (status, False)
