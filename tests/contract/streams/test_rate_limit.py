"""The rate of a caller, by Redis's clock."""

import asyncio

import pytest

from millrace.streams.event_input import MAX_EVENTS
from millrace.streams.functions import RATE
from millrace.streams.keys import StreamKeys
from millrace.streams.rate_limit import RateLimit
from millrace.streams.redis_pipe import PipeliningRedis, RedisUnavailable
from tests.contract.streams.own_valkey import OwnValkey

# So slow that the time a test takes pays off nothing worth mentioning.
SLOW = 1


async def test_a_burst_is_admitted_and_no_more(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """A whole batch at once however low the rate; the answer says when the next one fits."""
    subject = RateLimit(redis, keys, SLOW)
    assert await subject.admit(b"one", MAX_EVENTS - 1) == 0.0
    assert await subject.admit(b"one", 1) == 0.0
    assert 0 < await subject.admit(b"one", 1) <= 1.0
    assert 9 < await subject.admit(b"one", 10) <= 10.0


async def test_callers_are_held_apart(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """Whatever bytes stand for them."""
    subject = RateLimit(redis, keys, SLOW)
    assert await subject.admit(b"one", MAX_EVENTS) == 0.0
    for other in (b"two", b"", b"\x00\xff{}", "ö".encode()):
        assert await subject.admit(other, MAX_EVENTS) == 0.0


async def test_processes_share_a_callers_rate(
    redis_url: str, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """Of 40 calls at once over two connections as many are admitted as the burst holds."""
    async with await PipeliningRedis.open(redis_url, timeout=5.0) as other:
        limits = [RateLimit(each, keys, SLOW) for each in (redis, other)] * 20
        waits = await asyncio.gather(*(limit.admit(b"one", 50) for limit in limits))
    assert waits.count(0.0) == MAX_EVENTS // 50


async def test_who_waits_as_told_is_admitted(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """And not before: the wait is what the rate says."""
    subject = RateLimit(redis, keys, 5_000)
    assert await subject.admit(b"one", 5_000) == 0.0
    waits = []
    while wait := await subject.admit(b"one", 500):
        waits.append(wait)
        await asyncio.sleep(wait)
    assert len(waits) <= 2
    assert sum(waits) <= 0.105


async def test_a_refused_call_costs_nothing(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """Asking again and again does not put the next admission off."""
    subject = RateLimit(redis, keys, SLOW)
    await subject.admit(b"one", MAX_EVENTS)
    waits = [await subject.admit(b"one", 5) for _ in range(20)]
    assert waits == sorted(waits, reverse=True)


async def test_more_than_the_burst_is_paid_off_in_full(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """It goes through when nothing is owed, and the next caller's wait is as long as it was large."""
    key = keys.rate(b"one")
    assert await redis.fcall(RATE, [key], [10, 10, 100]) == [1, 0]
    admitted, wait_ms = await redis.fcall(RATE, [key], [10, 10, 100])
    assert admitted == 0
    assert 9_000 < wait_ms <= 10_000


async def test_the_state_is_kept_until_it_is_paid_off(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """To the microsecond, and not for ever."""
    await RateLimit(redis, keys, SLOW).admit(b"one", 3)
    assert 2_000 < await redis.execute("PTTL", keys.rate(b"one")) <= 3_001
    assert len(await redis.execute("GET", keys.rate(b"one"))) == 16


async def test_a_rate_of_zero_asks_nobody(own_valkey: OwnValkey, keys: StreamKeys) -> None:
    """Everything is admitted, even without a Redis; with a rate nobody can tell."""
    async with await PipeliningRedis.open(own_valkey.url, timeout=1.0) as redis:
        own_valkey.kill()
        assert await RateLimit(redis, keys, 0).admit(b"one", 500) == 0.0
        with pytest.raises(RedisUnavailable):
            await RateLimit(redis, keys, 1).admit(b"one", 500)


def test_a_negative_rate_is_refused() -> None:
    """It would admit nothing for ever."""
    with pytest.raises(ValueError, match="0 or more"):
        RateLimit(None, StreamKeys(), -1)  # type: ignore[arg-type]  # never asked
