"""Clicks from a spool: unique by their own time, and apart in the live counters."""

import asyncio

import pytest

from millrace.streams.keys import StreamKeys
from millrace.streams.live import read_live
from millrace.streams.records import decode_click
from millrace.streams.redis_pipe import PipeliningRedis
from tests.contract.streams.visit import MINUTES_A_DAY, Visit, redis_minute


async def room_in_the_minute(redis: PipeliningRedis) -> int:
    """The minute it is, once that has some seconds left."""
    while int((await redis.execute("TIME"))[0]) % 60 > 56:
        await asyncio.sleep(0.2)
    return await redis_minute(redis)


@pytest.mark.parametrize("minutes_ago", [0, 30, 1_440, 2_900, 50_000])
async def test_a_replayed_click_is_unique_once(
    redis: PipeliningRedis, keys: StreamKeys, minutes_ago: int
) -> None:
    """However long it waited; what follows within a day of it is a duplicate."""
    visit, minute = Visit(), await redis_minute(redis)
    assert await visit.replay(redis, keys, minute - minutes_ago) is True
    assert await visit.replay(redis, keys, minute - minutes_ago) is False
    assert await visit.replay(redis, keys, minute - minutes_ago + 1_440) is False
    assert await visit.replay(redis, keys, minute - minutes_ago + 1_441) is True
    entries = await redis.execute("XRANGE", keys.clicks(keys.shard_of(visit.link_id)), "-", "+")
    assert [decode_click(fields[1]).unique for _, fields in entries] == [True, False, False, True]


@pytest.mark.parametrize(
    ("minutes_ago", "unique"), [(1, False), (1_440, False), (1_441, True), (2_000, True)]
)
async def test_a_click_of_now_is_measured_against_a_replayed_one(
    redis: PipeliningRedis, keys: StreamKeys, minutes_ago: int, unique: bool
) -> None:
    """By the time at which that one happened, not the time of its replay."""
    visit, minute = Visit(), await room_in_the_minute(redis)
    await visit.replay(redis, keys, minute - minutes_ago)
    assert await visit.record(redis, keys) is unique


@pytest.mark.parametrize("minutes_ago", [1, 700, 1_440])
async def test_a_replayed_click_is_no_second_unique(
    redis: PipeliningRedis, keys: StreamKeys, minutes_ago: int
) -> None:
    """The visitor's next click may have been recorded first; also when midnight lies between the two."""
    visit, minute = Visit(), await room_in_the_minute(redis)
    assert await visit.record(redis, keys) is True
    assert await visit.replay(redis, keys, minute - minutes_ago) is False


async def test_a_replayed_bot_is_never_unique(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """Nor does it take a visitor's place."""
    bot, minute = Visit(human=False), await redis_minute(redis)
    assert await bot.replay(redis, keys, minute) is False
    assert await Visit(link_id=bot.link_id, visitor=bot.visitor).replay(redis, keys, minute) is True


@pytest.mark.parametrize(("hours_ago", "counted"), [(0, 2), (47, 2), (50, 0)])
async def test_live_counters_say_only_that_it_was_replayed(
    redis: PipeliningRedis, keys: StreamKeys, hours_ago: int, counted: int
) -> None:
    """In the hour of the click, unless that is too long ago to be counted."""
    visit, minute = Visit(), await redis_minute(redis) - 60 * hours_ago
    for _ in range(2):
        await visit.replay(redis, keys, minute)
    (live,) = (await read_live(redis, keys, [minute // 60])).values()
    assert (live.replayed_clicks, live.replayed_events, live.minutes) == (counted, 0, {})


async def test_a_bucket_that_a_replay_opened_expires(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """49 hours after the replay."""
    visit, minute = Visit(), await redis_minute(redis) - 3_000
    await visit.replay(redis, keys, minute)
    ttl = await redis.execute("TTL", visit.bucket(keys, minute // MINUTES_A_DAY))
    assert 49 * 3_600 - 60 < ttl <= 49 * 3_600
