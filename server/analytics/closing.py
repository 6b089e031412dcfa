"""Sums quarter hours up into the longer spans of their tables, once a UTC day or week is over.

A row of `rollup_closings` says that a span's counts are whole. Whoever adds to a day removes it (`counting`),
so a day is closed again after a late event. Over asyncpg, whose connections all callers have.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import asyncpg

from server.analytics.counting import ROLLUP_LOCK, monday_of
from server.analytics.event_columns import (
    CLICK_ROLLUPS,
    DAY_MINUTES,
    QUARTER_MINUTES,
    ROLLUP_TABLES,
    SPAN_CLOSINGS,
    TYPE_ROLLUPS,
    VISITOR_ROLLUPS,
    WEEK_MINUTES,
    RollupTable,
)
from server.analytics.sketches import DIMENSION_LG_K, SHOP_LG_K, merged
from server.analytics.utc_days import EPOCH, day_of, start_of

# Told how many days are done, and of how many.
OnProgress: TypeAlias = Callable[[int, int], Awaitable[None]]

# A day is over by this much before it is summed up: most late events are in by then.
OVER_HOURS: Final = 2
# Writers wait behind whoever asks for a whole day, and give up after five seconds themselves.
PATIENCE = "2s"

_NOW: Final = "SELECT clock_timestamp()"
# Weeks begin on Mondays; one of them does as well for hours and days.
_A_MONDAY: Final = EPOCH + datetime.timedelta(days=4)

_MARKED: Final = f"""
    EXISTS (SELECT FROM {SPAN_CLOSINGS} WHERE span_minutes = {DAY_MINUTES} AND bucket_start = day)
"""
# Every event and every click adds to one of these two. A day of which an erasure or a rebuild left nothing
# still has the sums of before.
_COUNTED: Final = " UNION ALL ".join(
    f"(SELECT min(bucket_start) AS first, max(bucket_start) AS last FROM {table.name}"  # noqa: S608
    f" WHERE span_minutes = {span})"
    for table in (TYPE_ROLLUPS, CLICK_ROLLUPS)
    for span in (QUARTER_MINUTES, DAY_MINUTES)
)
_DUE_DAYS: Final = f"""
    SELECT day
    FROM (SELECT min(first) AS first, max(last) AS last FROM ({_COUNTED}) AS tables) AS counted,
        generate_series(
            greatest($1::timestamptz, date_trunc('day', first, 'UTC')), least($2::timestamptz, last),
            interval '24 hours'
        ) AS day
    WHERE first IS NOT NULL AND NOT {_MARKED}
    ORDER BY day
"""  # noqa: S608 - constants of ours
_DUE_WEEKS: Final = f"""
    SELECT DISTINCT date_trunc('week', bucket_start, 'UTC') AS week FROM {SPAN_CLOSINGS}
    WHERE span_minutes = {DAY_MINUTES} AND bucket_start < $1
    EXCEPT SELECT bucket_start FROM {SPAN_CLOSINGS} WHERE span_minutes = {WEEK_MINUTES}
    ORDER BY week
"""  # noqa: S608 - constants of ours
_MARK: Final = f"""
    INSERT INTO {SPAN_CLOSINGS} (span_minutes, bucket_start) VALUES ($1, $2)
    ON CONFLICT (span_minutes, bucket_start) DO UPDATE SET closed_at = now()
"""  # noqa: S608 - a constant of ours


async def close_days(
    connection: Any, first_day: int, last_day: int, *, on_progress: OnProgress | None = None
) -> int:
    """Close what is due of these days, both included and counted from 1970, and then every week that is due.

    Days before the first that has counts and after the last, days that are closed already or are not over by
    two hours are left as they are, and so is one that others write into all the time. One without counts
    among the others is closed too. Each takes a transaction of its own, so `connection` is a bare asyncpg one
    outside any transaction. Says how many days were closed.
    """
    days = await days_due(connection, first_day, last_day)
    closed = 0
    for done, day in enumerate(days):
        if on_progress is not None:
            await on_progress(done, len(days))
        closed += await _unless_in_use(connection, _close_day, day)
    for week in await _weeks_due(connection):
        await _unless_in_use(connection, _close_week, week)
    return closed


async def days_due(connection: Any, first_day: int | None = None, last_day: int | None = None) -> list[int]:
    """The days to be closed, oldest first; of all there are unless limits are given."""
    last = await _last_over(connection)
    last = last if last_day is None else min(last, last_day)
    rows = await connection.fetch(_DUE_DAYS, start_of(first_day or 0), start_of(last))
    return [day_of(row[0]) for row in rows]


async def lock_whole_days(connection: Any, days: Sequence[int]) -> None:
    """Keep everybody else from adding to these days until the transaction ends.

    `days` in ascending order. Raises asyncpg's LockNotAvailableError when others are at it for longer than
    PATIENCE, which is how long writers may come to wait behind us.
    """
    await connection.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
    for day in days:
        await connection.execute("SELECT pg_advisory_xact_lock($1::int, $2::int)", ROLLUP_LOCK, day)


async def _last_over(connection: Any) -> int:
    """The last day that is over by two hours, by PostgreSQL's clock."""
    now: datetime.datetime = await connection.fetchval(_NOW)
    return day_of(now - datetime.timedelta(hours=OVER_HOURS)) - 1


async def _unless_in_use(connection: Any, close: Callable[[Any, int], Awaitable[bool]], day: int) -> bool:
    try:
        async with connection.transaction():
            return await close(connection, day)
    except asyncpg.LockNotAvailableError:
        return False  # the next run finds it due again


async def _close_day(connection: Any, day: int) -> bool:
    await lock_whole_days(connection, [day])
    start, end = start_of(day), start_of(day + 1)
    for table in ROLLUP_TABLES:
        for span in table.spans:
            if span <= DAY_MINUTES:
                await _sum_up(connection, table, _Sums(span, QUARTER_MINUTES, start, end))
    await connection.execute(_MARK, DAY_MINUTES, start)
    return True


async def _weeks_due(connection: Any) -> list[int]:
    """The Mondays of weeks that are over by two hours, have closed days and are not closed."""
    running = start_of(monday_of(await _last_over(connection) + 1))
    return [day_of(row[0]) for row in await connection.fetch(_DUE_WEEKS, running)]


async def _close_week(connection: Any, monday: int) -> bool:
    await lock_whole_days(connection, range(monday, monday + 7))
    start, end = start_of(monday), start_of(monday + 7)
    if await connection.fetch(_DUE_DAYS, start, start_of(monday + 6)):
        return False
    for table in ROLLUP_TABLES:
        if WEEK_MINUTES in table.spans:
            await _sum_up(connection, table, _Sums(WEEK_MINUTES, DAY_MINUTES, start, end))
    await connection.execute(_MARK, WEEK_MINUTES, start)
    return True


class _Sums(NamedTuple):
    """Rows of `span` minutes between two instants, from those of `source` minutes."""

    span: int
    source: int
    start: datetime.datetime
    end: datetime.datetime


async def _sum_up(connection: Any, table: RollupTable, sums: _Sums) -> None:
    """Write the rows anew that the sums make."""
    await connection.execute(
        f"DELETE FROM {table.name} WHERE span_minutes = $1 AND bucket_start >= $2 AND bucket_start < $3",  # noqa: S608
        sums.span,
        sums.start,
        sums.end,
    )
    if table.sketches:
        await _merge(connection, table, sums)
        return
    key = (table.key,) if table.key else ()
    columns = ", ".join(("span_minutes", "bucket_start", *key, *table.counters))
    added = ", ".join(f"sum({name})" for name in table.counters)
    await connection.execute(
        f"""
        INSERT INTO {table.name} ({columns})
        SELECT $1::int2, {", ".join((span_start("$1"), *key))}, {added}
        FROM {table.name} WHERE span_minutes = $2 AND bucket_start >= $3 AND bucket_start < $4
        GROUP BY {", ".join(("2", *("3" for _ in key)))}
        """,  # noqa: S608 - constants of ours
        *sums,
    )


async def _merge(connection: Any, table: RollupTable, sums: _Sums) -> None:
    """As `_sum_up`, for a table whose sketches have to be merged here."""
    rows = await connection.fetch(
        f"""
        SELECT {", ".join(("bucket_start", table.key or "''", *table.counters, *table.sketches))}
        FROM {table.name} WHERE span_minutes = $1 AND bucket_start >= $2 AND bucket_start < $3
        """,  # noqa: S608 - constants of ours
        sums.source,
        sums.start,
        sums.end,
    )
    of_span: defaultdict[tuple[datetime.datetime, str], list[Any]] = defaultdict(list)
    for row in rows:
        of_span[floor_to(row[0], sums.span), row[1]].append(row[2:])
    written = [(sums.span, *key, *_together(table, parts)) for key, parts in sorted(of_span.items())]
    key_columns = (table.key,) if table.key else ()
    columns = ("span_minutes", "bucket_start", *key_columns, *table.counters, *table.sketches)
    await connection.executemany(
        f"INSERT INTO {table.name} ({', '.join(columns)}) "  # noqa: S608 - constants of ours
        f"VALUES ({', '.join(f'${n}' for n in range(1, len(columns) + 1))})",
        [row if table.key else (*row[:2], *row[3:]) for row in written],
    )


def _together(table: RollupTable, parts: Sequence[Any]) -> list[Any]:
    """Sums of the counters, then the merged sketches."""
    lg_k = lg_k_of(table)
    counters = len(table.counters)
    sums = [sum(part[n] for part in parts) for n in range(counters)]
    columns = [[part[counters + n] for part in parts] for n in range(len(table.sketches))]
    return [*sums, *(merged(lg_k, column) if any(column) else None for column in columns)]


def lg_k_of(table: RollupTable) -> int:
    """How fine the table's sketches are."""
    return SHOP_LG_K if table is VISITOR_ROLLUPS else DIMENSION_LG_K


def floor_to(instant: datetime.datetime, minutes: int) -> datetime.datetime:
    """Where the hour, day or ISO week begins that holds the instant."""
    width = datetime.timedelta(minutes=minutes)
    return instant - (instant - _A_MONDAY) % width


def span_start(span: str) -> str:
    """SQL for the start of the span that holds a row's `bucket_start`; `span` is SQL for its minutes."""
    return f"date_bin({span}::int2 * interval '1 minute', bucket_start, timestamptz '{_A_MONDAY}')"
