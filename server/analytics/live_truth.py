"""What the live counters of Redis ought to say, by the raw rows, and making them say it.

Clicks count in the minute inside their id, events in the one in which they occurred, as at the door.
"""

from __future__ import annotations

import asyncio
import datetime
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from millrace.streams.event_records import decode_events
from millrace.streams.ids import id_text, id_time_ms
from millrace.streams.keys import StreamKeys
from millrace.streams.live import (
    BOT_CLICK,
    HUMAN_CLICK,
    UNIQUE_CLICK,
    event_letter,
    live_field,
    restate,
)
from millrace.streams.records import MalformedRecord, UnknownVersion, decode_click
from millrace.streams.redis_pipe import PipeliningRedis
from server.analytics.raw_days import RAW_CLICKS, RAW_EVENTS, bounds, occurred_within
from server.analytics.utc_days import EPOCH
from server.streams.dead_letter_columns import STREAM_DEAD_LETTERS
from server.streams.freshness import StreamFreshness

# By hour since 1970, minute of the hour and letter, as `millrace.streams.live` has them.
HourCounts: TypeAlias = dict[int, dict[int, dict[str, int]]]

HOUR: Final = datetime.timedelta(hours=1)
_HOUR_MINUTES: Final = 60
_MINUTE_MS: Final = 60_000
_LOOK_AGAIN_SECONDS: Final = 0.1

_EVENTS: Final = f"""
    SELECT (extract(epoch FROM date_trunc('minute', occurred_at)) / 60)::bigint AS minute, type, is_human,
        count(*)
    FROM {RAW_EVENTS.name} WHERE {occurred_within(RAW_EVENTS)}
    GROUP BY 1, 2, 3
"""  # noqa: S608 - constants of ours
_ID_MS: Final = "('x' || left(replace(click_id::text, '-', ''), 12))::bit(48)::bigint"
_CLICKS: Final = f"""
    SELECT {_ID_MS} / {_MINUTE_MS} AS minute, is_human, is_human AND is_unique, count(*)
    FROM {RAW_CLICKS.name} WHERE click_id >= $1::text::uuid AND click_id < $2::text::uuid
    GROUP BY 1, 2, 3
"""  # noqa: S608 - constants of ours
_LETTERS: Final = f"""
    SELECT stream, position, record FROM {STREAM_DEAD_LETTERS} WHERE died_at >= $1
"""  # noqa: S608 - a constant of ours


def instant_of(hour: int) -> datetime.datetime:
    """The first instant of an hour since 1970."""
    return EPOCH + hour * HOUR


async def raw_counts(connection: Any, first_hour: int, last_hour: int) -> HourCounts:
    """The counters of these hours, both included, as raw rows have them."""
    start, end = instant_of(first_hour), instant_of(last_hour + 1)
    counts: HourCounts = {}
    for minute, kind, human, number in await connection.fetch(_EVENTS, *bounds(RAW_EVENTS, start, end)):
        _add(counts, minute, event_letter(kind, human), number)
    ids = (_first_id_of(first_hour), _first_id_of(last_hour + 1))
    for minute, human, unique, number in await connection.fetch(_CLICKS, *ids):
        _add(counts, minute, HUMAN_CLICK if human else BOT_CLICK, number)
        if unique:
            _add(counts, minute, UNIQUE_CLICK, number)
    return counts


async def buried_counts(connection: Any, keys: StreamKeys, since_hour: int) -> HourCounts:
    """What was counted live and then became a dead letter instead of a row, since about that hour."""
    click_streams = {stream.decode() for stream in keys.all_clicks()}
    counts: HourCounts = {}
    for stream, position, record in await connection.fetch(_LETTERS, instant_of(since_hour)):
        try:
            if stream in click_streams:
                _add_click(counts, record)
            else:
                _add_event(counts, record, position)
        except (MalformedRecord, UnknownVersion):
            continue  # no door wrote it, so none counted it
    return counts


async def until_drained(
    redis: PipeliningRedis, keys: StreamKeys, *, patience: float
) -> datetime.datetime | None:
    """Return None once all that was in the streams when we came is in PostgreSQL.

    After `patience` seconds the time of the oldest entry that still waits. Raises RedisFailure.
    """
    freshness = StreamFreshness(redis, [*keys.all_clicks(), *keys.all_events()])
    seconds, microseconds = map(int, await redis.execute("TIME"))
    came_at = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    came_at += datetime.timedelta(microseconds=microseconds)
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + patience
    while True:
        complete = await freshness.complete_until()
        if complete is not None and complete > came_at:
            return None
        if loop.time() >= give_up_at:
            return complete or came_at
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def restate_hours(
    connection: Any, redis: PipeliningRedis, keys: StreamKeys, hours: Iterable[int]
) -> int:
    """Let the live counters of these hours say what raw rows do; says how many hours that were.

    For hours that are over. Drain the streams before: what waits in them is missing in the rows. An event of
    such an hour that comes in this very moment may be left out until the hour is restated again. Raises
    RedisFailure.
    """
    wanted = sorted(set(hours))
    if not wanted:
        return 0
    raw = await raw_counts(connection, wanted[0], wanted[-1])
    for hour in wanted:
        # Readers add shards up, so it does not matter which of them says it.
        for shard in range(keys.shards):
            await restate(redis, keys, hour, shard, raw.get(hour, {}) if shard == 0 else {})
    return len(wanted)


async def uncount_events(
    redis: PipeliningRedis, keys: StreamKeys, events: Iterable[tuple[int, str, bool, str]], since_hour: int
) -> None:
    """Take events away from the live counters of hours that still run: those from `since_hour` on.

    An event is its Unix milliseconds, type, whether a human's, and session. Raises RedisFailure.
    """
    fields = Counter(
        (keys.events_live(keys.event_shard_of(session), minute // _HOUR_MINUTES), minute, letter)
        for minute, letter, session in (
            (occurred_ms // _MINUTE_MS, event_letter(kind, human), session)
            for occurred_ms, kind, human, session in events
        )
        if minute // _HOUR_MINUTES >= since_hour
    )
    for (key, minute, letter), number in fields.items():
        field = live_field(minute % _HOUR_MINUTES, letter)
        # Never makes a hash, which would lack all others of its hour, and would never go.
        if await redis.execute("HEXISTS", key, field):
            await redis.execute("HINCRBY", key, field, -number)


def totals(minutes: dict[int, dict[str, int]], letters: Sequence[str]) -> dict[str, int]:
    """The whole hour by letter."""
    return {letter: sum(counts.get(letter, 0) for counts in minutes.values()) for letter in letters}


def _add_click(counts: HourCounts, record: bytes) -> None:
    click = decode_click(record)
    minute = id_time_ms(click.click_id) // _MINUTE_MS
    _add(counts, minute, HUMAN_CLICK if click.human else BOT_CLICK, 1)
    if click.human and click.unique:
        _add(counts, minute, UNIQUE_CLICK, 1)


def _add_event(counts: HourCounts, record: bytes, position: int) -> None:
    events = decode_events(record)
    event = events[position] if position < len(events) else events[0]
    _add(counts, event.occurred_ms // _MINUTE_MS, event_letter(event.type, event.human), 1)


def _add(counts: HourCounts, minute: int, letter: str, number: int) -> None:
    of_hour = counts.setdefault(minute // _HOUR_MINUTES, {})
    of_minute = of_hour.setdefault(minute % _HOUR_MINUTES, {})
    of_minute[letter] = of_minute.get(letter, 0) + number


def _first_id_of(hour: int) -> str:
    return id_text((hour * _HOUR_MINUTES * _MINUTE_MS).to_bytes(6, "big") + bytes(10))
