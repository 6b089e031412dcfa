"""Events beyond what is taken, or while Redis or the drain is away; CORS; a stop under load."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from millrace.streams.keys import GROUP, StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis
from tests.contract.edge.event_client import (
    BOTH_WAYS,
    PLAIN,
    event,
    posted,
    send,
    stored_events,
)
from tests.contract.edge.link_server import LinkServer
from tests.contract.edge.raw_client import HOST, RawAnswer, ask_once, raw_client, request
from tests.contract.edge.running_edge import Edge, running_edge
from tests.contract.streams.own_valkey import OwnValkey

SHOP = "https://shop.example"
HUNDRED = [event()] * 100


async def until(edge: Edge, status: int) -> RawAnswer:
    """Asks for readiness until it is so; what decides it is looked at each second."""
    async with asyncio.timeout(5):
        while True:
            answer = await ask_once(edge.address, request("/readyz", HOST))
            if answer.status == status:
                return answer
            await asyncio.sleep(0.05)


@pytest.fixture
async def slow(redis_url: str, redis_prefix: str, link_server: LinkServer) -> AsyncIterator[Edge]:
    """An edge that takes 500 events a second from one address."""
    async with running_edge(redis_url, link_server.port, prefix=redis_prefix, event_rate=500) as running:
        yield running


async def until_refused(edge: Edge, **options: Any) -> RawAnswer:
    """Sends hundreds of events until it is too much."""
    for _ in range(40):
        answer = await send(edge, HUNDRED, **options)
        if answer.status != 202:
            return answer
    raise AssertionError("4,000 events at once were taken")


@pytest.mark.parametrize("target", BOTH_WAYS)
async def test_too_many_events_from_one_address(
    slow: Edge, redis: PipeliningRedis, keys: StreamKeys, target: str
) -> None:
    """429 that says when to come back; what is over the rate is not stored, and others are not bothered."""
    answer = await until_refused(slow, target=target)
    stored = len(await stored_events(redis, keys))
    assert (answer.status, answer.is_problem) == (429, True)
    assert int(answer.headers["retry-after"]) >= 1
    assert 500 <= stored <= 2_000
    assert (await send(slow, HUNDRED, visitor="198.51.100.8", target=target)).status == 202
    assert len(await stored_events(redis, keys)) == stored + 100
    assert await slow.metric("millrace_edge_ingestion_refused_total", reason="rate") >= 1


async def test_a_household_shares_its_rate(slow: Edge) -> None:
    """As with clicks, an IPv6 address counts by its /64."""
    assert (await until_refused(slow, visitor="2001:db8::1")).status == 429
    assert (await send(slow, HUNDRED, visitor="2001:db8::2:3")).status == 429
    assert (await send(slow, HUNDRED, visitor="2001:db8:0:1::1")).status == 202


async def test_the_address_itself_is_not_stored(slow: Edge, redis: PipeliningRedis, keys: StreamKeys) -> None:
    """The rate is kept under a hash of it."""
    await send(slow, [event()] * 500, visitor="203.0.113.77")
    rates = await redis.execute("KEYS", f"{keys.prefix}:rate:*")
    assert len(rates) == 1
    assert b"203.0.113.77" not in rates[0]
    assert bytes([203, 0, 113, 77]).hex().encode() not in rates[0]


@pytest.mark.parametrize("visitor", ["", "127.0.0.9"])
async def test_our_own_have_no_limit(
    slow: Edge, redis: PipeliningRedis, keys: StreamKeys, visitor: str
) -> None:
    """Whoever calls from a trusted network."""
    for _ in range(20):
        assert (await send(slow, HUNDRED, visitor=visitor)).status == 202
    assert await redis.execute("KEYS", f"{keys.prefix}:rate:*") == []


@pytest.mark.parametrize("target", BOTH_WAYS)
async def test_streams_above_their_mark(
    redis_url: str, link_server: LinkServer, redis: PipeliningRedis, keys: StreamKeys, target: str
) -> None:
    """Events get 503 until the drain has caught up, and so does readiness; clicks are taken all along."""
    async with running_edge(redis_url, link_server.port, prefix=keys.prefix, stream_max_entries=3) as subject:
        await redis.execute("XGROUP", "CREATE", keys.events(0), GROUP, "0", "MKSTREAM")
        for _ in range(5):
            await send(subject, event(), target=target)
        unready = await until(subject, 503)
        answer = await send(subject, event(), target=target)
        click = await ask_once(subject.address, request("/l/shoe22", HOST))
        assert (answer.status, answer.is_problem) == (503, True)
        assert int(answer.headers["retry-after"]) >= 1
        assert (unready.document["status"], unready.document["dependencies"]["streams"]) == (
            "unready",
            "full",
        )
        assert click.status == 302
        assert len(await stored_events(redis, keys)) == 5
        assert await subject.metric("millrace_edge_streams_high") == 1
        assert await subject.metric("millrace_edge_stream_entries") >= 5

        await redis.execute("XTRIM", keys.events(0), "MAXLEN", 0)
        ready = await until(subject, 200)
        assert ready.document["dependencies"]["streams"] == "up"
        assert (await send(subject, event(), target=target)).status == 202


@pytest.mark.parametrize("target", BOTH_WAYS)
async def test_without_redis_events_go_to_disk(
    own_valkey: OwnValkey, link_server: LinkServer, target: str
) -> None:
    """202 all the same, and no rate; once Redis is back they are in the stream."""
    async with running_edge(own_valkey.url, link_server.port, event_rate=100) as subject:
        own_valkey.kill()
        answers = [await send(subject, [event(), event()], target=target) for _ in range(3)]
        assert [answer.status for answer in answers] == [202] * 3
        assert answers[0].document == {"accepted": 2, "duplicates": 0, "rejected": []}
        assert await subject.metric("millrace_edge_events_spooled_total") == 6
        own_valkey.start()
        async with await PipeliningRedis.open(own_valkey.url, timeout=5.0) as redis, asyncio.timeout(10):
            while len(await stored_events(redis, StreamKeys())) < 6:
                await asyncio.sleep(0.05)


async def test_a_full_redis_is_told_of_once(own_valkey: OwnValkey, link_server: LinkServer) -> None:
    """Its events go to disk, and it refuses more of them than a log should hold lines; then again anew."""
    async with running_edge(own_valkey.url, link_server.port) as subject:
        for told in (1, 2):
            own_valkey.command("CONFIG", "SET", "maxmemory", "1")
            with capture_logs() as lines:
                answers = [await send(subject, event()) for _ in range(3)]
            assert [answer.status for answer in answers] == [202] * 3
            assert await subject.metric("millrace_edge_events_spooled_total") == 3 * told
            assert [line["event"] for line in lines].count("events_refused_by_redis") == 1
            own_valkey.command("CONFIG", "SET", "maxmemory", "0")
            assert (await send(subject, event())).status == 202


@pytest.mark.parametrize("target", BOTH_WAYS)
async def test_nowhere_to_keep_events(own_valkey: OwnValkey, link_server: LinkServer, target: str) -> None:
    """Redis away and the spool full is 503, never an acceptance."""
    large = [event(metadata={"text": "x" * 4_000})] * 200
    async with running_edge(own_valkey.url, link_server.port, spool_max_bytes=1 << 20) as subject:
        own_valkey.kill()
        first, second = [await send(subject, large, target=target) for _ in range(2)]
        assert (first.status, second.status, second.is_problem) == (202, 503, True)
        assert int(second.headers["retry-after"]) >= 1
        assert await subject.metric("millrace_edge_ingestion_refused_total", reason="spool") == 1


@pytest.mark.parametrize("target", BOTH_WAYS)
async def test_scripts_of_the_shop_may_read_the_answer(
    redis_url: str, redis_prefix: str, link_server: LinkServer, target: str
) -> None:
    """Also a refusal; those of strangers may not, and caches keep the two apart."""
    async with running_edge(redis_url, link_server.port, prefix=redis_prefix, cors_origins=SHOP) as subject:
        for body, status in ((event(), 202), ({}, 400)):
            answer = await send(subject, body, f"Origin: {SHOP}", target=target)
            assert answer.status == status
            assert answer.headers["access-control-allow-origin"] == SHOP
            assert answer.headers["access-control-allow-credentials"] == "true"
            assert answer.headers["access-control-expose-headers"] == "ETag, Retry-After, X-Request-Id"
            stranger = await send(subject, body, "Origin: https://evil.example", target=target)
            assert not [name for name in stranger.headers if name.startswith("access-control")]
            assert answer.headers["vary"] == stranger.headers["vary"] == "Origin"


async def test_a_preflight(redis_url: str, link_server: LinkServer) -> None:
    """A script that sends JSON asks before."""
    asked = (
        f"Origin: {SHOP}",
        "Access-Control-Request-Method: POST",
        "Access-Control-Request-Headers: content-type",
    )
    async with running_edge(redis_url, link_server.port, cors_origins=SHOP) as subject:
        answer = await ask_once(subject.address, request(PLAIN, HOST, *asked, method="OPTIONS"))
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (204, SHOP)
    assert answer.headers["access-control-allow-methods"] == "POST, OPTIONS"
    assert "Content-Type" in answer.headers["access-control-allow-headers"]


async def test_both_ways_in_give_the_same_answer(redis_url: str, link_server: LinkServer) -> None:
    """The same status, headers and body, but for the names of the two requests."""
    cases: list[tuple[object, tuple[str, ...]]] = [
        (event(), ()),
        ([event(), {}], ()),
        ({}, ()),
        (b"", ()),
        (b"[", ("Connection: close",)),
        (event(), ("Connection: close", f"Origin: {SHOP}")),
        (event(), ("X-Request-Id: my-own-request",)),
        (event(), ("Content-Encoding: br",)),
        (event(), (f"Origin: {SHOP}",)),
    ]
    async with running_edge(redis_url, link_server.port, cors_origins=f"{SHOP}, *") as subject:
        for body, headers in cases:
            answers = [await send(subject, body, *headers, target=target) for target in BOTH_WAYS]
            assert comparable(answers[0]) == comparable(answers[1])


def comparable(answer: RawAnswer) -> tuple[int, dict[str, str], object]:
    """An answer without what differs between any two."""
    changing = {"date", "x-request-id", "content-length"}
    headers = {name: value for name, value in answer.headers.items() if name not in changing}
    document = {name: value for name, value in answer.document.items() if name != "instance"}
    return answer.status, headers, document


async def test_a_graceful_stop_loses_no_request(
    redis_url: str, redis_prefix: str, link_server: LinkServer, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """Clients go on sending until they are told to leave; what was answered is stored, and nothing else."""
    accepted = 0

    async def keep_sending(edge: Edge, target: str) -> None:
        nonlocal accepted
        async with raw_client(edge.address) as client:
            while True:
                answer = await client.ask(posted(b'{"type": "click", "sessionId": "s"}', target=target))
                assert answer.status == 202
                accepted += 1
                if answer.closes:
                    return

    async with running_edge(
        redis_url, link_server.port, prefix=redis_prefix, farewell_seconds=0.3, event_rate=0
    ) as subject:
        clients = [asyncio.create_task(keep_sending(subject, BOTH_WAYS[number % 2])) for number in range(20)]
        async with asyncio.timeout(10):
            while accepted < 200:
                await asyncio.sleep(0.01)
    await asyncio.wait_for(asyncio.gather(*clients), 5)
    assert len(await stored_events(redis, keys)) == accepted
