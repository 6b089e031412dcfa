"""What goes when it is old: raw events by the day, later the counts made of them, in small batches.

Days with what belongs to them go oldest first, so a run that was cut short is gone on with by the next.
"""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from server.analytics.event_columns import (
    EVENT_IDENTITIES,
    EVENTS,
    LOCAL_DAYS,
    ROLLUP_TABLES,
    SESSIONS,
    SPAN_CLOSINGS,
)
from server.analytics.raw_days import first_id, today
from server.db.day_partitions import DayPartitions, days_before, drop_partition
from server.streams.dead_letter_columns import STREAM_DEAD_LETTERS

# Told how many rows or days are gone, and of what.
OnProgress: TypeAlias = Callable[[int, str], Awaitable[None]]

# A drain makes what it lacks by itself; this spares it that while a new day's first events wait.
DAYS_AHEAD: Final = 3
BATCH_ROWS: Final = 5_000

_CUT: Final = "SELECT date_trunc('day', clock_timestamp() - make_interval(months => $1), 'UTC')"
_OLD_IDENTITIES: Final = "event_id < $1::text::uuid"
_OLD_LETTERS: Final = "died_at < clock_timestamp() - make_interval(days => $1)"
_OLD_ROWS: Final = "bucket_start < $1"
_OLD_DAYS: Final = "starts_at < $1"
# A session goes on as long as events come; its start is what ranges ask for, and what is indexed.
_OLD_SESSIONS: Final = "started_at < $1 AND last_event_at < $1"


async def make_days_ahead(connection: Any) -> int:
    """Partitions of today and the next days; says how many were made. For use outside a transaction."""
    day = await today(connection)
    return await DayPartitions(EVENTS).ensure(connection, range(day, day + DAYS_AHEAD + 1))


async def drop_raw_days(connection: Any, *, keep_days: int, on_progress: OnProgress) -> int:
    """Drop raw events of days before the oldest kept, by the time in their ids; says how many days.

    Raises asyncpg's LockNotAvailableError when the table was in use for too long; earlier days are gone then.
    """
    first_kept = await today(connection) - keep_days
    old = await days_before(connection, EVENTS, first_kept)
    for dropped, day in enumerate(old):
        await on_progress(dropped, f"of {len(old)} days of raw events")
        await drop_partition(connection, EVENTS, day)
    return len(old)


async def prune_identities(connection: Any, *, keep_days: int, on_progress: OnProgress) -> int:
    """Forget client ids of events whose day is gone; says how many."""
    first_kept = first_id(await today(connection) - keep_days)
    return await _prune(connection, EVENT_IDENTITIES, _OLD_IDENTITIES, first_kept, on_progress)


async def prune_rollups(connection: Any, *, keep_months: int, on_progress: OnProgress) -> int:
    """Delete counts and sessions of days older than so many months; says how many rows."""
    cut: datetime.datetime = await connection.fetchval(_CUT, keep_months)
    # First what says that longer spans are whole: then nobody reads one of which a part is gone.
    gone = await _prune(connection, SPAN_CLOSINGS, _OLD_ROWS, cut, on_progress)
    gone += await _prune(connection, LOCAL_DAYS, _OLD_DAYS, cut, on_progress)
    for table in ROLLUP_TABLES:
        gone += await _prune(connection, table.name, _OLD_ROWS, cut, on_progress)
    return gone + await _prune(connection, SESSIONS, _OLD_SESSIONS, cut, on_progress)


async def prune_dead_letters(connection: Any, *, keep_days: int, on_progress: OnProgress) -> int:
    """Delete letters that died that long ago: what they hold could not be stored any more; says how many."""
    return await _prune(connection, STREAM_DEAD_LETTERS, _OLD_LETTERS, keep_days, on_progress)


async def _prune(connection: Any, table: str, old: str, cut: Any, on_progress: OnProgress) -> int:
    """Delete by batches, each of them committed; for use outside a transaction."""
    gone = 0
    taken = BATCH_ROWS
    while taken == BATCH_ROWS:
        status: str = await connection.execute(
            f"DELETE FROM {table} WHERE ctid = ANY(ARRAY("  # noqa: S608 - constants of ours
            f"SELECT ctid FROM {table} WHERE {old} LIMIT {BATCH_ROWS} FOR UPDATE SKIP LOCKED))",
            cut,
        )
        taken = int(status.rpartition(" ")[2])
        gone += taken
        await on_progress(gone, f"old rows of {table}")
    return gone
