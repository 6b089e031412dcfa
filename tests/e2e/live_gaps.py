"""By how much the live counters of Redis fall short of raw rows, in the hour before and in this one.

Nothing but replays from a spool may make them fall short, and each by one at most.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import asyncpg
import redis.asyncio

from millrace.streams.keys import StreamKeys
from tests.stack import Stack

_LETTERS = {
    "page_view": "p",
    "product_view": "v",
    "click": "c",
    "add_to_cart": "a",
    "purchase": "y",
    "search": "s",
}
_REPLAYED = "r"
# What a replay may lack: one event, one click, and the unique one that it may have been.
_KINDS = {
    **dict.fromkeys((*_LETTERS.values(), "z"), "events"),
    "h": "clicks",
    "b": "clicks",
    "u": "unique",
}
_SECONDS = 3_600

_EVENTS = """
    SELECT floor(extract(epoch FROM occurred_at) / 3600)::int AS hour, type, is_human, count(*) AS number
    FROM events WHERE occurred_at >= to_timestamp($1) GROUP BY 1, 2, 3
"""
_CLICKS = """
    SELECT floor(extract(epoch FROM clicked_at) / 3600)::int AS hour, is_human, is_unique, count(*) AS number
    FROM clicks WHERE clicked_at >= to_timestamp($1) GROUP BY 1, 2, 3
"""


@dataclass(frozen=True)
class LiveGaps:
    """Rows minus live counters by hour and letter; how many were replayed, by hour and kind."""

    gaps: Counter[tuple[int, str]]
    replayed: Counter[tuple[int, str]]

    def unexplained_since(self, before: LiveGaps) -> list[str]:
        """Counters that count what is no row, and more missing than was replayed."""
        missing: Counter[tuple[int, str]] = Counter()
        found = []
        for (hour, letter), gap in self.gaps.items():
            grown, kind = gap - before.gaps[hour, letter], _KINDS[letter]
            if self.replayed[hour, kind] < before.replayed[hour, kind]:
                continue  # restated by the hourly job meanwhile
            if grown < 0:
                found.append(f"hour {hour}: {-grown} of {letter} too many")
            missing[hour, kind] += max(0, grown)
        for (hour, kind), lacking in missing.items():
            replayed = self.replayed[hour, kind] - before.replayed[hour, kind]
            if lacking > replayed:
                found.append(f"hour {hour}: {lacking} {kind} missing, {replayed} replayed")
        return found


async def live_gaps(stack: Stack) -> LiveGaps:
    """Ask while the streams hold nothing."""
    first = int(time.time()) // _SECONDS - 1
    gaps: Counter[tuple[int, str]] = Counter()
    replayed: Counter[tuple[int, str]] = Counter()
    connection = await asyncpg.connect(stack["postgres_dsn"])
    try:
        for row in await connection.fetch(_EVENTS, first * _SECONDS):
            gaps[row["hour"], _LETTERS[row["type"]] if row["is_human"] else "z"] += row["number"]
        for row in await connection.fetch(_CLICKS, first * _SECONDS):
            gaps[row["hour"], "h" if row["is_human"] else "b"] += row["number"]
            gaps[row["hour"], "u"] += row["number"] * (row["is_human"] and row["is_unique"])
    finally:
        await connection.close()
    keys = StreamKeys()
    async with redis.asyncio.Redis.from_url(stack["redis_url"]) as client:
        for hour in range(first, first + 3):
            counted: dict[str, dict[Any, Any]] = {
                "events": await client.hgetall(keys.events_live(0, hour)),
                "clicks": await client.hgetall(keys.live(0, hour)),
            }
            for kind, fields in counted.items():
                for field, value in fields.items():
                    if field == _REPLAYED.encode():
                        replayed[hour, kind] += int(value)
                    else:
                        gaps[hour, field[-1:].decode()] -= int(value)
            replayed[hour, "unique"] = replayed[hour, "clicks"]
    return LiveGaps(gaps, replayed)
