"""Live counters read back, and restated."""

import asyncio
import time

import pytest

from millrace.streams.event_writer import EventWriter
from millrace.streams.keys import StreamKeys
from millrace.streams.live import (
    CLICK_LETTERS,
    EVENT_LETTERS,
    event_letter,
    read_live,
    restate,
    restate_clicks,
    restate_events,
)
from millrace.streams.redis_clock import RedisClock
from millrace.streams.redis_pipe import PipeliningRedis
from tests.contract.streams.event_traffic import BOT, batch_of, write
from tests.contract.streams.visit import Visit, redis_minute

HOUR_MS = 3_600_000


async def test_clicks_and_events_of_all_shards_add_up(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """Each under its letter, in its minute."""
    writer, minute = EventWriter(redis, keys, RedisClock()), await redis_minute(redis) - 60
    at_ms = minute * 60_000
    sessions = [{"sessionId": f"s{number}"} for number in range(40)]
    await write(writer, batch_of(*sessions, received_ms=at_ms))
    await write(writer, batch_of(*sessions, origin=BOT, received_ms=at_ms + 60_000))
    for _ in range(20):
        await Visit().call(redis, keys, await redis_minute(redis) // 60, minute)
    expected: dict[int, dict[int, dict[str, int]]] = {minute // 60: {}, (minute + 1) // 60: {}}
    expected[minute // 60][minute % 60] = {"p": 40, "h": 20, "u": 20}
    expected[(minute + 1) // 60][(minute + 1) % 60] = {"z": 40}
    live = await read_live(redis, keys, expected)
    assert {hour: each.minutes for hour, each in live.items()} == expected
    assert sum(each.total("p") for each in live.values()) == 40


async def test_an_hour_without_counters_is_empty(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """As asked for, once for each hour."""
    live = await read_live(redis, keys, [5, 5, 7])
    assert list(live) == [5, 7]
    assert live[5].minutes == {}
    assert live[5].total("p") == 0
    assert await read_live(redis, keys, []) == {}


async def test_restating_replaces_everything(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """Also what was replayed, and the counters' expiry; other shards and hours stay as they are."""
    now_ms = time.time_ns() // 1_000_000
    hour = now_ms // HOUR_MS - 1
    writer, visit = EventWriter(redis, keys, RedisClock()), Visit()
    batch = batch_of({}, {}, received_ms=hour * HOUR_MS)
    await write(writer, batch)
    for each in writer.split(batch):
        await each.replay().replay(redis)
    await visit.replay(redis, keys, hour * 60)
    click_shard, event_shard = keys.shard_of(visit.link_id), keys.event_shard_of("s")
    await restate_clicks(redis, keys, hour, click_shard, {3: {"h": 2, "u": 1, "p": 9}})
    await restate_events(redis, keys, hour, event_shard, {4: {"p": 5, "z": 0, "h": 9}, 59: {"y": 1}})
    (live,) = (await read_live(redis, keys, [hour])).values()
    assert live.minutes == {3: {"h": 2, "u": 1}, 4: {"p": 5}, 59: {"y": 1}}
    assert (live.replayed_clicks, live.replayed_events) == (0, 0)
    for key in (keys.live(click_shard, hour), keys.events_live(event_shard, hour)):
        assert await redis.execute("EXPIRETIME", key) == (hour + 50) * 3_600


async def test_restating_with_nothing_leaves_nothing(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """Neither of clicks nor of events."""
    hour = time.time_ns() // 1_000_000 // HOUR_MS
    await restate(redis, keys, hour, 1, {0: {"h": 3, "p": 4}})
    assert (await read_live(redis, keys, [hour]))[hour].minutes == {0: {"h": 3, "p": 4}}
    await restate(redis, keys, hour, 1, {})
    assert await redis.execute("EXISTS", keys.live(1, hour), keys.events_live(1, hour)) == 0


async def test_counting_goes_on_after_restating(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """From the restated numbers."""
    now_ms = time.time_ns() // 1_000_000
    hour, minute = now_ms // HOUR_MS, now_ms // 60_000 % 60
    await restate_events(redis, keys, hour, keys.event_shard_of("s"), {minute: {"p": 10}})
    writer = EventWriter(redis, keys, RedisClock())
    await asyncio.gather(*(write(writer, batch_of({}, received_ms=now_ms)) for _ in range(5)))
    assert (await read_live(redis, keys, [hour]))[hour].total("p") == 15


@pytest.mark.parametrize(("type_", "human", "letter"), [("page_view", True, "p"), ("purchase", False, "z")])
def test_letters_do_not_meet(type_: str, human: bool, letter: str) -> None:
    """Those of clicks and events may stand side by side."""
    assert event_letter(type_, human) == letter
    assert len(set(CLICK_LETTERS + EVENT_LETTERS + "r")) == len(CLICK_LETTERS) + len(EVENT_LETTERS) + 1
