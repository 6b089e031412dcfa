"""Shoppers go on when Redis or the server does not."""

import asyncio
import time
from collections.abc import AsyncIterator

import grpc
import pytest

from edge import lookup, recording
from edge.cookies import COOKIE_NAME
from edge.spool import group_commit
from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis
from tests.contract.edge.link_server import LinkServer
from tests.contract.edge.running_edge import Edge, recorded_clicks, running_edge
from tests.contract.streams.own_valkey import OwnValkey

UNRECORDED = "millrace_edge_clicks_unrecorded_total"
SPOOLED = "millrace_edge_clicks_spooled_total"


@pytest.fixture(autouse=True)
def _patient_with_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is shared with every other test's servers, and may be slow for a while."""
    monkeypatch.setattr(recording, "DISK_SECONDS", 10.0)
    monkeypatch.setattr(group_commit, "STALLED_SECONDS", 10.0)


@pytest.fixture
async def subject(own_valkey: OwnValkey, link_server: LinkServer) -> AsyncIterator[Edge]:
    """An edge whose Valkey may be killed, with the real time limit."""
    async with running_edge(own_valkey.url, link_server.port, redis_timeout_seconds=0.04) as edge:
        yield edge


async def unrecorded(edge: Edge) -> float:
    """Clicks that neither Redis nor the spool has."""
    return sum([await edge.metric(UNRECORDED, reason=reason) for reason in ("full", "unavailable", "slow")])


async def spooled(edge: Edge) -> float:
    """Clicks that Redis did not take when they happened."""
    reasons = ("timeout", "unavailable", "refused", "clock")
    return sum([await edge.metric(SPOOLED, reason=reason) for reason in reasons])


async def test_redis_killed_under_clicks(subject: Edge, own_valkey: OwnValkey) -> None:
    """Every shopper is redirected with a cookie, and every click is either in Redis or on disk."""
    statuses = []
    for number in range(60):
        if number == 30:
            own_valkey.kill()
        response = await subject.get("/l/shoe22", visitor=f"10.0.0.{number}")
        statuses.append((response.status, COOKIE_NAME in response.cookies))
    recorded = await subject.metric("millrace_edge_clicks_recorded_total", verdict="human")
    assert statuses == [(302, True)] * 60
    assert recorded + await spooled(subject) == 60
    assert recorded >= 29
    assert await unrecorded(subject) == 0


async def test_recording_resumes_when_redis_is_back(subject: Edge, own_valkey: OwnValkey) -> None:
    """By itself, functions included: the new Redis has none."""
    assert (await subject.get("/l/shoe22")).status == 302
    own_valkey.kill()
    assert (await subject.get("/l/shoe22")).status == 302
    own_valkey.start()
    async with await PipeliningRedis.open(own_valkey.url, timeout=5.0) as redis:
        async with asyncio.timeout(10):
            while not await recorded_clicks(redis, StreamKeys()):
                assert (await subject.get("/l/shoe22")).status == 302
                await asyncio.sleep(0.05)


async def test_a_frozen_redis_holds_nobody_up(subject: Edge, own_valkey: OwnValkey) -> None:
    """Each shopper waits 40 ms at most, and after some failures not even that; no click is lost."""
    await subject.get("/l/shoe22")
    own_valkey.freeze()
    try:
        first = time.perf_counter()
        assert (await subject.get("/l/shoe22")).status == 302
        assert time.perf_counter() - first < 1.0
        await asyncio.gather(*(subject.get("/l/shoe22") for _ in range(40)))
        started = time.perf_counter()
        for _ in range(20):
            assert (await subject.get("/l/shoe22")).status == 302
        assert time.perf_counter() - started < 0.04 * 20
        assert await subject.metric(SPOOLED, reason="timeout") >= 20
        assert await subject.metric(SPOOLED, reason="unavailable") >= 1
        assert await unrecorded(subject) == 0
        assert await subject.metric("millrace_edge_redis_breaker_open") == 1.0
    finally:
        own_valkey.thaw()


async def test_without_redis_links_come_from_the_server(subject: Edge, own_valkey: OwnValkey) -> None:
    """A link that was never seen is looked up there."""
    own_valkey.kill()
    assert (await subject.get("/l/shoe22")).status == 302
    assert (await subject.get("/l/nowhere")).status == 404


async def test_with_both_down_known_links_redirect_and_others_are_503(
    subject: Edge, own_valkey: OwnValkey, link_server: LinkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However old: a link in memory is better than none."""
    assert (await subject.get("/l/shoe22")).status == 302
    own_valkey.kill()
    await link_server.stop()
    await asyncio.sleep(lookup.FRESH_SECONDS + 0.1)
    for _ in range(5):
        response = await subject.get("/l/shoe22")
        assert response.status == 302
        unknown = await subject.get("/l/other2")
        assert unknown.status == 503
        assert unknown.headers["Retry-After"] == "1"
        assert unknown.content_type == "application/problem+json"
    assert await subject.metric("millrace_edge_link_lookups_total", source="stale") >= 1


async def test_a_dead_server_is_asked_rarely(edge: Edge, link_server: LinkServer) -> None:
    """After a few failures look-ups fail at once for a moment, then it is tried again and heals."""
    link_server.failure = grpc.StatusCode.INTERNAL
    for number in range(20):
        assert (await edge.get(f"/l/code{number}")).status == 503
    assert sum(link_server.asked.values()) == 3
    link_server.failure = None
    async with asyncio.timeout(5):
        while (await edge.get("/l/shoe22")).status != 302:
            await asyncio.sleep(0.05)


async def test_a_hanging_server_holds_up_one_shopper_a_second(edge: Edge, link_server: LinkServer) -> None:
    """Once it has failed a few times, one look-up tries it and the others fail at once."""
    link_server.delay_seconds = 5.0
    await asyncio.gather(*(edge.get(f"/l/early{number}") for number in range(3)))
    assert sum(link_server.asked.values()) == 3
    await asyncio.sleep(1.1)
    answers = await asyncio.gather(*(edge.get(f"/l/later{number}") for number in range(10)))
    assert {answer.status for answer in answers} == {503}
    assert sum(link_server.asked.values()) == 4


async def test_a_redis_in_another_hour_is_believed(
    redis_url: str, redis_prefix: str, link_server: LinkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edge whose clock is two days off records its clicks where Redis says, and keeps the offset."""
    from millrace.streams import redis_clock

    real = time.time
    monkeypatch.setattr(redis_clock.RedisClock.__init__, "__defaults__", (lambda: real() + 172_800,))
    keys = StreamKeys(redis_prefix)
    async with (
        running_edge(redis_url, link_server.port, prefix=redis_prefix) as edge,
        await PipeliningRedis.open(redis_url, timeout=5.0) as redis,
    ):
        for _ in range(3):
            assert (await edge.get("/l/shoe22")).status == 302
        clicks = await recorded_clicks(redis, keys)
        assert [click.unique for click in clicks] == [True, False, False]
        offset = await edge.metric("millrace_edge_redis_clock_offset_seconds")
        assert -172_800 - 3600 <= offset <= -172_800 + 3600
        assert await spooled(edge) == 0


async def test_starting_without_redis_and_server(own_valkey: OwnValkey, link_server: LinkServer) -> None:
    """The edge starts, says what is missing, and serves once they are there."""
    own_valkey.kill()
    await link_server.stop()
    async with running_edge(own_valkey.url, link_server.port) as edge:
        ready = await edge.get("/readyz")
        assert ready.status == 503
        states = (await ready.json())["dependencies"]
        assert "up" not in {states["redis"], states["server"]}
        assert (await edge.get("/healthz")).status == 200
        await link_server.start()
        own_valkey.start()
        async with asyncio.timeout(15):
            while (await edge.get("/readyz")).status != 200 or (await edge.get("/l/shoe22")).status != 302:
                await asyncio.sleep(0.1)
