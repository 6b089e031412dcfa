"""How full the streams are and how long they wait, seen in a real Redis."""

import asyncio
import time

import pytest

from millrace.streams.keys import GROUP, StreamKeys
from millrace.streams.pressure import StreamPressure
from millrace.streams.redis_pipe import PipeliningRedis, RedisUnavailable
from tests.contract.streams.own_valkey import OwnValkey

ENTRIES = 5
AGE = 60.0


@pytest.fixture
def subject(redis: PipeliningRedis, keys: StreamKeys) -> StreamPressure:
    """Over the event streams of all four shards; looks when told to."""
    return StreamPressure(redis, keys.all_events(), ENTRIES, AGE)


async def add(redis: PipeliningRedis, stream: bytes, seconds_ago: float) -> bytes:
    """An entry of that age; ages in a stream must fall."""
    entry: bytes = await redis.execute("XADD", stream, int((time.time() - seconds_ago) * 1_000), "r", "x")
    return entry


async def deliver(redis: PipeliningRedis, stream: bytes, count: int) -> list[bytes]:
    """Gives that many entries to a drain and returns their ids."""
    ((_, entries),) = await redis.execute(
        "XREADGROUP", "GROUP", GROUP, "someone", "COUNT", count, "STREAMS", stream, ">"
    )
    return [entry for entry, _ in entries]


async def test_streams_that_do_not_exist_are_empty(subject: StreamPressure) -> None:
    """Before the first event."""
    await subject.look()
    assert subject.high is False
    assert subject.facts() == {"entries": 0, "age_seconds": 0.0}


async def test_entries_of_all_streams_add_up(
    subject: StreamPressure, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """The mark is passed by one more than it names."""
    for number in range(ENTRIES):
        await add(redis, keys.events(number % 4), 1)
    await subject.look()
    assert (subject.facts()["entries"], subject.high) == (ENTRIES, False)
    await add(redis, keys.events(0), 0)
    await subject.look()
    assert subject.high is True


async def test_age_before_there_is_a_drain(
    subject: StreamPressure, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """The oldest entry of any stream counts, by Redis's clock."""
    await add(redis, keys.events(1), 30)
    await add(redis, keys.events(2), 61)
    await subject.look()
    assert 61 <= subject.facts()["age_seconds"] < 70
    assert subject.high is True


async def test_what_a_drain_was_given_does_not_age(
    subject: StreamPressure, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """Entries left pending are no reason to turn events away; the next one that nobody took is."""
    stream = keys.events(0)
    for seconds_ago in (5_000, 4_000, 40, 30):
        await add(redis, stream, seconds_ago)
    await redis.execute("XGROUP", "CREATE", stream, "another", "$")
    await redis.execute("XGROUP", "CREATE", stream, GROUP, "0")
    await deliver(redis, stream, 2)
    await subject.look()
    assert 40 <= subject.facts()["age_seconds"] < 50
    assert (subject.facts()["entries"], subject.high) == (4, False)


async def test_a_stream_that_was_drained_has_no_age(
    subject: StreamPressure, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """Nor entries, once they were deleted."""
    stream = keys.events(0)
    await add(redis, stream, 5_000)
    await redis.execute("XGROUP", "CREATE", stream, GROUP, "0")
    delivered = await deliver(redis, stream, 10)
    await subject.look()
    assert subject.facts() == {"entries": 1, "age_seconds": 0.0}
    await redis.execute("XACK", stream, GROUP, *delivered)
    await redis.execute("XDEL", stream, *delivered)
    await subject.look()
    assert subject.facts() == {"entries": 0, "age_seconds": 0.0}


async def test_it_looks_by_itself_while_open(own_valkey: OwnValkey, keys: StreamKeys) -> None:
    """At once and then every second; while Redis is away the last look stands."""
    async with await PipeliningRedis.open(own_valkey.url, timeout=0.2) as redis:
        await add(redis, keys.events(0), 100)
        async with StreamPressure(redis, keys.all_events(), ENTRIES, AGE) as subject:
            assert subject.high is True
            await redis.execute("DEL", keys.events(0))
            async with asyncio.timeout(5):
                while subject.high:
                    await asyncio.sleep(0.02)
            own_valkey.kill()
            with pytest.raises(RedisUnavailable):
                await subject.look()
            assert subject.facts() == {"entries": 0, "age_seconds": 0.0}
