"""Days of the shop's own time zone, merged once: from rows of hours they would be too much for each answer.

A row names when the UTC days it was made of were closed. While that is so, it holds; whoever opens a day
again need not know of it. Over asyncpg, whose connections all callers have.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from server.analytics.audiences import Version
from server.analytics.event_columns import DAY_MINUTES, LOCAL_DAYS, SPAN_CLOSINGS, VISITOR_ROLLUPS
from server.analytics.ranges import DAY, Period, Range, day_start, floor_quarter
from server.analytics.sketches import SHOP_LG_K, merged
from server.analytics.spans import Closings

_CLOSED: Final = f"SELECT bucket_start, closed_at FROM {SPAN_CLOSINGS} WHERE span_minutes = {DAY_MINUTES}"  # noqa: S608
_KEPT: Final = f"SELECT starts_at, ends_at, closed_at FROM {LOCAL_DAYS}"  # noqa: S608 - a constant of ours
_ROWS: Final = f"""
    SELECT visitors, sessions FROM {VISITOR_ROLLUPS.name}
    WHERE span_minutes = $1 AND bucket_start >= $2 AND bucket_start < $3
"""  # noqa: S608 - a constant of ours
_KEEP: Final = f"""
    INSERT INTO {LOCAL_DAYS} (starts_at, ends_at, closed_at, visitors, sessions) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (starts_at, ends_at) DO UPDATE SET
        closed_at = excluded.closed_at, visitors = excluded.visitors, sessions = excluded.sessions
"""  # noqa: S608 - a constant of ours


async def keep_local_days(connection: Any, zone: ZoneInfo) -> int:
    """Merge the zone's days of closed UTC days that are not kept yet, or as of an earlier closing; how many.

    Nothing is to be done where the zone's days are UTC's. Some 10 ms a day, each committed by itself when the
    connection is in no transaction.
    """
    closed_at = {(DAY_MINUTES, row[0]): row[1] for row in await connection.fetch(_CLOSED)}
    kept = {Period(row[0], row[1]): tuple(row[2]) for row in await connection.fetch(_KEPT)}
    done = 0
    closings = Closings(closed_at)
    for day, version in _days(closed_at, closings, zone):
        if kept.get(day) != version:
            await _keep(connection, day, version, closings)
            done += 1
    return done


def _days(
    closed_at: dict[tuple[int, datetime], datetime], closings: Closings, zone: ZoneInfo
) -> Iterator[tuple[Period, Version]]:
    """The zone's days of which all is closed, with when that was."""
    if not closed_at:
        return
    starts = [start for _, start in closed_at]
    first = floor_quarter(day_start(min(starts), zone))
    for day in Range(first, max(starts) + DAY, zone, "day").intervals():
        version = closings.version(day.start, day.end)
        if version and len(version) > 1:
            yield day, version


async def _keep(connection: Any, day: Period, version: Version, closings: Closings) -> None:
    rows = [
        row
        for part in closings.parts(day.start, day.end, VISITOR_ROLLUPS.spans)
        for row in await connection.fetch(_ROWS, part.span, part.start, part.end)
    ]
    visitors, sessions = ([row[column] for row in rows] for column in range(2))
    sketches = [merged(SHOP_LG_K, column) if any(column) else None for column in (visitors, sessions)]
    await connection.execute(_KEEP, day.start, day.end, list(version), *sketches)
