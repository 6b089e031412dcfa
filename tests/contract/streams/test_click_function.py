"""What `mr_click` does in a real Redis: verdict, record, live counters, expiries."""

import asyncio
from typing import Any

import pytest

from millrace.streams.keys import StreamKeys
from millrace.streams.records import decode_click
from millrace.streams.redis_pipe import PipeliningRedis
from tests.contract.streams.visit import MINUTES_A_DAY, Visit, redis_minute

HOUR = 3600
KEPT = 49 * HOUR


async def stream_of(redis: PipeliningRedis, keys: StreamKeys, visit: Visit) -> list[Any]:
    """The clicks in the visit's stream, decoded."""
    entries = await redis.execute("XRANGE", keys.clicks(keys.shard_of(visit.link_id)), "-", "+")
    assert all(fields[0] == b"r" and len(fields) == 2 for _, fields in entries)
    return [decode_click(fields[1]) for _, fields in entries]


async def live_of(redis: PipeliningRedis, keys: StreamKeys, visit: Visit) -> dict[str, int]:
    """The visit's shard's live counters of this and the last hour, minutes added up."""
    hour = await redis_minute(redis) // 60
    counted: dict[str, int] = {}
    for each in (hour - 1, hour):
        flat = await redis.execute("HGETALL", keys.live(keys.shard_of(visit.link_id), each))
        for name, value in zip(flat[::2], flat[1::2], strict=True):
            kind = name.decode()[-1]
            assert 0 <= int(name[:-1]) < 60
            counted[kind] = counted.get(kind, 0) + int(value)
    return counted


async def plant(redis: PipeliningRedis, keys: StreamKeys, visit: Visit, minutes_ago: int) -> None:
    """Puts a unique click of that age where the function would have put it."""
    day, minute = divmod(await redis_minute(redis) - minutes_ago, MINUTES_A_DAY)
    await redis.execute("HSET", visit.bucket(keys, day), visit.field_on(day), minute)


async def wait_for_room_in_the_minute(redis: PipeliningRedis) -> None:
    """Returns when the minute has some seconds left, so that planted ages stay what they are."""
    while int((await redis.execute("TIME"))[0]) % 60 > 56:
        await asyncio.sleep(0.2)


async def test_a_first_click_is_unique_and_a_second_is_not(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """The verdict goes to the caller and into the record."""
    visit = Visit()
    assert await visit.record(redis, keys) is True
    assert await visit.record(redis, keys) is False
    assert [click.unique for click in await stream_of(redis, keys, visit)] == [True, False]


async def test_the_record_is_otherwise_untouched(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """Redis sets one bit and nothing else."""
    visit = Visit()
    await visit.record(redis, keys)
    (stored,) = await stream_of(redis, keys, visit)
    assert (stored.link_id, stored.human, stored.device) == (visit.link_id, True, "desktop")
    assert (stored.product_id, stored.referrer_host, stored.country) == ("48213", visit.referrer_host, "DE")


async def test_fifty_parallel_clicks_are_exactly_one_unique(
    redis: PipeliningRedis, redis_url: str, keys: StreamKeys
) -> None:
    """However the clicks race, over two connections, one of them is the unique one."""
    visit = Visit()
    async with await PipeliningRedis.open(redis_url, timeout=5.0) as other:
        verdicts = await asyncio.gather(
            *(visit.record(client, keys) for _ in range(25) for client in (redis, other))
        )
    assert sum(verdicts) == 1
    assert sum(click.unique for click in await stream_of(redis, keys, visit)) == 1
    assert await live_of(redis, keys, visit) == {"h": 50, "u": 1}


async def test_other_visitors_and_other_links_are_unique(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """Uniqueness is per visitor and link."""
    visit = Visit()
    other_visitor, other_link = Visit(link_id=visit.link_id), Visit(visitor=visit.visitor)
    assert [await each.record(redis, keys) for each in (visit, other_visitor, other_link)] == [True] * 3


@pytest.mark.parametrize(
    ("minutes_ago", "unique"),
    [
        (0, False),
        (1, False),
        (720, False),
        (1439, False),
        (1440, False),
        (1441, True),
        (1442, True),
        (2000, True),
    ],
)
async def test_the_window_is_a_day_and_at_most_a_minute(
    redis: PipeliningRedis, keys: StreamKeys, minutes_ago: int, unique: bool
) -> None:
    """A click 1,440 minutes ago, which may be 24 h and up to 24 h 1 min, still counts; older ones do not.

    Whichever day the planted click falls on, it is found in that day's bucket under that day's hash.
    """
    visit = Visit()
    await wait_for_room_in_the_minute(redis)
    await plant(redis, keys, visit, minutes_ago)
    assert await visit.record(redis, keys) is unique


async def test_the_end_of_the_window_in_seconds(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """A click at any second of the 1,440th minute before is within the window, so it is never below 24 h."""
    minute = await redis_minute(redis)
    for second in (0, 59):
        age_at_last_duplicate = (minute * 60 + 59) - ((minute - 1440) * 60 + second)
        assert 24 * HOUR <= age_at_last_duplicate <= 24 * HOUR + 60
        first_unique_again = (minute * 60) - ((minute - 1441) * 60 + second)
        assert 24 * HOUR < first_unique_again <= 24 * HOUR + 60


async def test_a_duplicate_does_not_extend_the_window(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """After any number of duplicates the bucket still holds the time of the unique click, and nothing new."""
    visit = Visit()
    await wait_for_room_in_the_minute(redis)
    await plant(redis, keys, visit, 1440)
    minute = await redis_minute(redis)
    yesterday, planted = divmod(minute - 1440, MINUTES_A_DAY)
    for _ in range(5):
        assert await visit.record(redis, keys) is False
    stored = await redis.execute("HGET", visit.bucket(keys, yesterday), visit.field_on(yesterday))
    assert int(stored) == planted
    assert await redis.execute("EXISTS", visit.bucket(keys, yesterday + 1)) == 0


async def test_a_duplicate_of_the_same_day_leaves_the_first_time(
    redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """The next day measures against the unique click, so today's duplicates must not move its minute."""
    visit = Visit()
    await wait_for_room_in_the_minute(redis)
    today, minute = divmod(await redis_minute(redis), MINUTES_A_DAY)
    planted = minute // 2
    await redis.execute("HSET", visit.bucket(keys, today), visit.field_on(today), planted)
    assert [await visit.record(redis, keys) for _ in range(3)] == [False] * 3
    stored = await redis.execute("HGET", visit.bucket(keys, today), visit.field_on(today))
    assert int(stored) == planted


async def test_a_click_after_the_window_starts_a_new_one(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """The click that is unique again is the one that later clicks are measured against."""
    visit = Visit()
    await wait_for_room_in_the_minute(redis)
    await plant(redis, keys, visit, 1441)
    assert [await visit.record(redis, keys) for _ in range(3)] == [True, False, False]
    today, minute = divmod(await redis_minute(redis), MINUTES_A_DAY)
    assert int(await redis.execute("HGET", visit.bucket(keys, today), visit.field_on(today))) == minute


async def test_bots_are_recorded_but_never_deduped(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """Bots have their own counter, and take no visitor's place."""
    bot = Visit(human=False)
    assert [await bot.record(redis, keys) for _ in range(3)] == [False] * 3
    human = Visit(link_id=bot.link_id, visitor=bot.visitor)
    assert await human.record(redis, keys) is True
    recorded = await stream_of(redis, keys, bot)
    assert [(click.human, click.unique) for click in recorded] == [(False, False)] * 3 + [(True, True)]
    assert await live_of(redis, keys, bot) == {"b": 3, "h": 1, "u": 1}


@pytest.mark.parametrize("days_off", [-2, -1, 1])
async def test_a_call_for_another_day_records_nothing(
    redis: PipeliningRedis, keys: StreamKeys, days_off: int
) -> None:
    """Redis answers with its own day and hour, and leaves no trace."""
    visit = Visit()
    hour = await redis_minute(redis) // 60
    answer = await visit.call(redis, keys, hour + 24 * days_off)
    assert answer in ([-1, hour // 24, hour], [-1, (hour + 1) // 24, hour + 1])
    assert await redis.execute("KEYS", keys.prefix + ":*") == []


async def test_the_answer_names_the_entry(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """The entry id is the one in the stream."""
    visit = Visit()
    answer = await visit.call(redis, keys, await redis_minute(redis) // 60)
    ((entry_id, _),) = await redis.execute("XRANGE", keys.clicks(keys.shard_of(visit.link_id)), "-", "+")
    assert answer == [1, entry_id]


@pytest.mark.parametrize("hours_ago", [-1, 0, 1, 30, 48])
async def test_a_click_counts_live_in_its_own_minute(
    redis: PipeliningRedis, keys: StreamKeys, hours_ago: int
) -> None:
    """The id's time decides, not Redis's, so that a closed hour says the same as the table."""
    visit, minute = Visit(), await redis_minute(redis)
    clicked = minute - 60 * hours_ago
    assert (await visit.call(redis, keys, minute // 60, clicked))[0] == 1
    live = keys.live(keys.shard_of(visit.link_id), clicked // 60)
    flat = await redis.execute("HGETALL", live)
    field = b"%d" % (clicked % 60)
    assert dict(zip(flat[::2], flat[1::2], strict=True)) == {field + b"h": b"1", field + b"u": b"1"}


@pytest.mark.parametrize("hours_ago", [50, 5_000, -50])
async def test_a_click_far_from_now_is_recorded_but_not_counted_live(
    redis: PipeliningRedis, keys: StreamKeys, hours_ago: int
) -> None:
    """Its counters would be gone before or after everybody else's."""
    visit, minute = Visit(), await redis_minute(redis)
    clicked = minute - 60 * hours_ago
    assert (await visit.call(redis, keys, minute // 60, clicked))[0] == 1
    assert await redis.execute("EXISTS", keys.live(keys.shard_of(visit.link_id), clicked // 60)) == 0
    assert len(await stream_of(redis, keys, visit)) == 1


async def test_buckets_and_counters_expire(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """A bucket 49 hours after it appeared, counters 49 hours after their hour's end, the stream never."""
    visit = Visit()
    await visit.record(redis, keys)
    minute = await redis_minute(redis)
    stream, today, _, live = visit.keys_of_call(keys, minute // 60)
    assert KEPT - 60 < await redis.execute("TTL", today) <= KEPT
    hour_ends = (minute // 60 + 1) * HOUR
    assert await redis.execute("EXPIRETIME", live) == hour_ends + KEPT
    assert await redis.execute("TTL", stream) == -1


async def test_an_expiry_is_not_renewed_by_later_clicks(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """Setting it costs a command, so a bucket that exists keeps the expiry it has."""
    visit = Visit()
    await visit.record(redis, keys)
    day = await redis_minute(redis) // MINUTES_A_DAY
    bucket = visit.bucket(keys, day)
    # Now the bucket looks as if somebody else had opened it.
    await redis.execute("HSET", bucket, "another", 1)
    await redis.execute("HDEL", bucket, visit.field_on(day))
    await redis.execute("EXPIRE", bucket, 1000)
    assert await visit.record(redis, keys) is True
    assert await redis.execute("TTL", bucket) <= 1000


async def test_buckets_are_compact(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """A bucket stays a listpack, and its values stay integers of the day."""
    visit = Visit()
    await visit.record(redis, keys)
    bucket = visit.bucket(keys, await redis_minute(redis) // MINUTES_A_DAY)
    assert await redis.execute("OBJECT", "ENCODING", bucket) == b"listpack"
    assert all(0 <= int(value) < MINUTES_A_DAY for value in await redis.execute("HVALS", bucket))
