"""Wake-ups through Redis lists: at most one worker each, and never the caller's trouble."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from millrace.streams.keys import StreamKeys
from server.jobs.wakeups import NUDGES, Nudger, WakeupBroker, make_broker


@pytest.fixture
async def subject(redis_url: str, redis_prefix: str) -> AsyncIterator[WakeupBroker]:
    broker = make_broker(redis_url, redis_prefix)
    yield broker
    await broker.shutdown()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


async def next_queue(broker: WakeupBroker) -> str:
    """The queue of the next wake-up."""
    listening = broker.listen()
    async with contextlib.aclosing(listening), asyncio.timeout(5):
        message = broker.formatter.loads(await anext(listening))
    return str(message.args[0])


async def test_wakeup(subject: WakeupBroker, nudger: Nudger) -> None:
    """A nudge reaches a listening worker, with the queue's name."""
    nudger.nudge("bulk")
    assert await next_queue(subject) == "bulk"


async def test_nudges_become_one(
    subject: WakeupBroker, nudger: Nudger, redis: Redis, redis_prefix: str
) -> None:
    """Nudges of a queue that follow each other at once are sent as one."""
    for _ in range(100):
        nudger.nudge("default")
    await next_queue(subject)
    assert await redis.llen(StreamKeys(redis_prefix).wakeups("default")) == 0


async def test_unheard_wakeups_are_bounded(nudger: Nudger, redis: Redis, redis_prefix: str) -> None:
    """However long nobody listens, a queue's list keeps a few wake-ups only."""
    key = StreamKeys(redis_prefix).wakeups("default")
    await redis.lpush(key, *["stale"] * 500)
    nudger.nudge("default")
    async with asyncio.timeout(5):
        while await redis.llen(key) > 64:
            await asyncio.sleep(0.01)


async def test_full_worker_passes_it_on(
    subject: WakeupBroker, nudger: Nudger, redis: Redis, redis_prefix: str
) -> None:
    """A wake-up that arrives when the worker has no more room for its queue is left to other workers."""
    room_for = ["critical", "default"]
    subject.wanted = lambda: room_for
    waiting = asyncio.create_task(next_queue(subject))
    await _until_blocked(redis)
    room_for.remove("critical")
    nudger.nudge("critical")
    nudger.nudge("default")
    assert await waiting == "default"
    assert await redis.llen(StreamKeys(redis_prefix).wakeups("critical")) == 1


async def test_nudging_without_redis(redis_prefix: str, unused_port: int) -> None:
    """Without Redis a nudge neither raises nor waits; it is counted, and the block still ends."""
    before = _failed("critical")
    async with asyncio.timeout(10):
        async with Nudger(make_broker(f"redis://127.0.0.1:{unused_port}/0", redis_prefix)) as nudger:
            nudger.nudge("critical")
        assert _failed("critical") == before + 1


async def _until_blocked(redis: Redis) -> None:
    async with asyncio.timeout(5):
        while not (await redis.info("clients"))["blocked_clients"]:
            await asyncio.sleep(0.005)


def _failed(queue: str) -> float:
    return float(NUDGES.labels(queue, "failed")._value.get())
