"""Live counters of Redis against raw rows, for hours that are over.

Late events change such an hour too. So the counters are read twice, with the rows in between: what was
counted before must be in the rows, and what is in the rows must have been counted by then.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from millrace.streams.keys import StreamKeys
from millrace.streams.live import (
    BOT_CLICK,
    BOT_EVENT,
    HUMAN_CLICK,
    TYPE_LETTERS,
    UNIQUE_CLICK,
    LiveHour,
    read_live,
)
from millrace.streams.redis_pipe import PipeliningRedis, RedisFailure
from server.analytics.differences import Difference, Proof
from server.analytics.live_truth import HOUR, buried_counts, instant_of, raw_counts, totals, until_drained
from server.analytics.utc_days import EPOCH

# An hour is counted live while it is at most 48 hours from now; this many were so from beginning to end.
MOST_HOURS: Final = 47
_DRAIN_SECONDS: Final = 15.0

_NOW: Final = "SELECT clock_timestamp()"
_EVENT_NAMES: Final = {letter: name for name, letter in TYPE_LETTERS.items()} | {BOT_EVENT: "bot events"}
_CLICK_NAMES: Final = {HUMAN_CLICK: "human clicks", BOT_CLICK: "bot clicks"}
_UNIQUE_NAMES: Final = {UNIQUE_CLICK: "unique clicks"}


async def compare_live(
    connection: Any, redis: PipeliningRedis, keys: StreamKeys, proof: Proof, *, hours: int = MOST_HOURS
) -> set[int]:
    """Add what differs to the proof; gives the hours (since 1970) that should be restated.

    Those are the ones that differ, and those with replays, of which nobody can say what they lack. Where
    Redis is away or drains are behind, a note says so instead.
    """
    this_hour = (await connection.fetchval(_NOW) - EPOCH) // HOUR
    closed = range(this_hour - min(hours, MOST_HOURS), this_hour)
    try:
        before = await read_live(redis, keys, closed)
        waiting = await until_drained(redis, keys, patience=_DRAIN_SECONDS)
        if waiting is not None:
            proof.notes.append(
                "live counters were left out: the streams hold records that are not drained, "
                f"the oldest of {waiting:%Y-%m-%d %H:%M:%S} UTC"
            )
            return set()
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            raw = await raw_counts(connection, closed[0], closed[-1])
            buried = await buried_counts(connection, keys, closed[0])
        after = await read_live(redis, keys, closed)
    except RedisFailure as error:
        proof.notes.append(f"live counters were left out: Redis cannot be asked ({error})")
        return set()
    to_restate = set()
    for hour in closed:
        found = list(_compare_hour(before[hour], after[hour], raw.get(hour, {}), buried.get(hour, {})))
        proof.differences += found
        if found or after[hour].replayed_clicks or after[hour].replayed_events:
            to_restate.add(hour)
    proof.live_hours = len(closed)
    return to_restate


Minutes = dict[int, dict[str, int]]


def _compare_hour(before: LiveHour, after: LiveHour, raw: Minutes, buried: Minutes) -> Iterator[Difference]:
    for place, names, replayed in (
        ("live events", _EVENT_NAMES, after.replayed_events),
        ("live clicks", _CLICK_NAMES, after.replayed_clicks),
        ("live clicks", _UNIQUE_NAMES, after.replayed_clicks),
    ):
        letters = list(names)
        expected = totals(raw, letters)
        lacking = {
            letter: (ought, after.total(letter))
            for letter, ought in expected.items()
            if after.total(letter) < ought
        }
        if sum(ought - found for ought, found in lacking.values()) <= replayed:
            lacking = {}
        surplus = _surplus(before, expected, totals(buried, letters))
        for letter, (ought, found) in {**lacking, **surplus}.items():
            yield Difference(place, instant_of(after.hour), "", names[letter], ought, found)


def _surplus(
    before: LiveHour, expected: dict[str, int], buried: dict[str, int]
) -> dict[str, tuple[int, int]]:
    """What was counted and is neither a row nor a dead letter."""
    return {
        letter: (ought, before.total(letter))
        for letter, ought in expected.items()
        if before.total(letter) > ought + buried[letter]
    }
