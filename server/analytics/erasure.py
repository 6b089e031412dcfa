"""Erases a user or a session from raw events and from all that was made of them.

Found first, then taken away by the quarter hour, each with what it was counted in and in one transaction:
a run that dies leaves the rest to be found by the next. Nothing here logs whose data it is.
"""

from __future__ import annotations

import asyncio
import datetime
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import asyncpg

from server.analytics.closing import lg_k_of, lock_whole_days
from server.analytics.counting import CountedEvent, Increments, apply, lock_days, tally_events, touch_sessions
from server.analytics.event_columns import (
    EVENT_IDENTITIES,
    EVENTS,
    QUARTER_MINUTES,
    ROLLUP_TABLES,
    SESSIONS,
    RollupTable,
)
from server.analytics.raw_days import (
    RAW_EVENTS,
    bounds,
    occurred_within,
    partition_days,
    sum_up_pages,
    whole_since,
)
from server.analytics.recounting import EVENT_FACTS, QUARTER
from server.analytics.sketches import merged
from server.analytics.utc_days import day_of
from server.db.day_partitions import partition_name

# Told how many steps are done, of how many, and what they are.
OnProgress: TypeAlias = Callable[[int, int, str], Awaitable[None]]

_BATCH_ROWS: Final = 5_000
_TRIES: Final = 20
_PAUSE_SECONDS: Final = 0.5

_QUARTER: Final = f"date_bin('{QUARTER_MINUTES} minutes', occurred_at, timestamptz 'epoch')"
_DELETE: Final = f"""
    DELETE FROM {EVENTS} WHERE event_id = ANY($1::uuid[]) RETURNING {EVENT_FACTS}
"""  # noqa: S608 - constants of ours
_FORGET_IDENTITIES: Final = f"DELETE FROM {EVENT_IDENTITIES} WHERE event_id = ANY($1::uuid[])"  # noqa: S608
_FORGET_SESSIONS: Final = f"DELETE FROM {SESSIONS} WHERE session_id = ANY($1::text[])"  # noqa: S608
_VISITOR: Final = "CASE WHEN user_id IS NULL THEN 's:' || session_id ELSE 'u:' || user_id END"
_SEEN: Final = {"visitors": _VISITOR, "sessions": "session_id"}


class Subject(NamedTuple):
    """Whose events go: a user's or a session's."""

    column: str
    value: str

    @classmethod
    def of(cls, user_id: str | None, session_id: str | None) -> Subject:
        """Raises ValueError unless exactly one is given."""
        if (user_id is None) == (session_id is None):
            raise ValueError("an erasure names a user or a session, one of the two")
        return cls("user_id", user_id) if user_id is not None else cls("session_id", session_id or "")


class Erased(NamedTuple):
    """The events that went, and of how many quarter hours."""

    events: list[CountedEvent]
    quarters: int


class _Hit(NamedTuple):
    event_id: Any
    quarter: datetime.datetime
    session_id: str


async def erase_events(
    connection: Any, subject: Subject, *, keep_days: int, on_progress: OnProgress
) -> Erased:
    """Take every event of the subject that is in PostgreSQL; `keep_days` is retention's.

    `connection` is a bare asyncpg one outside any transaction. Raises asyncpg's LockNotAvailableError when
    drains leave no gap in a day for a long while; doing it again goes on with what is left.
    """
    hits = await _find(connection, subject, on_progress)
    sessions = sorted({hit.session_id for hit in hits} | _own_session(subject))
    await _rebuild_sessions(connection, sessions, on_progress, without=subject)
    by_quarter: defaultdict[datetime.datetime, list[Any]] = defaultdict(list)
    for hit in hits:
        by_quarter[hit.quarter].append(hit.event_id)
    whole = await whole_since(connection, RAW_EVENTS, keep_days=keep_days)
    gone: list[CountedEvent] = []
    for done, quarter in enumerate(sorted(by_quarter)):
        await on_progress(done, len(by_quarter), "quarter hours")
        ids = by_quarter[quarter]
        for first in range(0, len(ids), _BATCH_ROWS):
            batch = ids[first : first + _BATCH_ROWS]
            gone += await _patiently(connection, quarter, batch, whole is None or day_of(quarter) >= whole)
    # Events that came while we searched are here to stay, and their sessions with them.
    await _rebuild_sessions(connection, sessions, on_progress)
    return Erased(gone, len(by_quarter))


def _own_session(subject: Subject) -> set[str]:
    return {subject.value} if subject.column == "session_id" else set()


async def _find(connection: Any, subject: Subject, on_progress: OnProgress) -> list[_Hit]:
    """Where the subject's events are. No index knows, so each day is read through once."""
    hits: list[_Hit] = []
    days = await partition_days(connection, RAW_EVENTS)
    await sum_up_pages(connection, RAW_EVENTS, days)
    for done, day in enumerate(days):
        await on_progress(done, len(days), "days searched")
        try:
            rows = await connection.fetch(
                f"SELECT event_id, {_QUARTER}, session_id FROM {partition_name(EVENTS, day)} "  # noqa: S608
                f"WHERE {subject.column} = $1",
                subject.value,
            )
        except asyncpg.UndefinedTableError:
            continue  # retention was faster
        hits += [_Hit(*row) for row in rows]
    return hits


async def _rebuild_sessions(
    connection: Any, sessions: Sequence[str], on_progress: OnProgress, *, without: Subject | None = None
) -> None:
    """Make the sessions anew of the raw events that are left, or of all but the subject's.

    That is done before these go: then a repetition finds them. A session is widened only, by drains as by us,
    so it does not matter who comes first.
    """
    if not sessions:
        return
    await connection.execute(_FORGET_SESSIONS, sessions)
    if without is not None and without.column == "session_id":
        return
    days = await partition_days(connection, RAW_EVENTS)
    for done, day in enumerate(days):
        await on_progress(done, len(days), "days searched for the rest of its sessions")
        try:
            rows = await connection.fetch(
                f"SELECT {EVENT_FACTS} FROM {partition_name(EVENTS, day)} "  # noqa: S608 - constants of ours
                "WHERE is_human AND session_id = ANY($1::text[]) "
                "AND ($2::text IS NULL OR user_id IS DISTINCT FROM $2)",
                sessions,
                None if without is None else without.value,
            )
        except asyncpg.UndefinedTableError:
            continue
        await touch_sessions(connection, [CountedEvent(*row) for row in rows])


async def _patiently(
    connection: Any, quarter: datetime.datetime, ids: Sequence[Any], is_whole: bool
) -> list[CountedEvent]:
    """Erase in a transaction that has the day to itself; drains come first when both want it."""
    for tries_left in reversed(range(_TRIES)):
        try:
            async with connection.transaction():
                await lock_whole_days(connection, [day_of(quarter)])
                await lock_days(connection, [day_of(quarter)])
                return await _erase(connection, quarter, ids, is_whole)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            if not tries_left:
                raise
            await asyncio.sleep(_PAUSE_SECONDS)
    raise AssertionError("the last try returns or raises")


async def _erase(
    connection: Any, quarter: datetime.datetime, ids: Sequence[Any], is_whole: bool
) -> list[CountedEvent]:
    events = [CountedEvent(*row) for row in await connection.fetch(_DELETE, ids)]
    await connection.execute(_FORGET_IDENTITIES, ids)
    if not events:
        return []
    taken = tally_events(events)
    await apply(connection, taken, sign=-1)
    # Of a day of which retention took a part, the sketches know more than is left to make them of.
    if is_whole:
        await _sketch_again(connection, quarter, taken)
    await _drop_empty_rows(connection, quarter)
    return events


async def _sketch_again(connection: Any, quarter: datetime.datetime, taken: Increments) -> None:
    for table in ROLLUP_TABLES:
        keys = sorted({key for _, key in taken.values[table]})
        if table.sketches and keys:
            await _sketch_rows(connection, table, quarter, keys)


async def _sketch_rows(
    connection: Any, table: RollupTable, quarter: datetime.datetime, keys: Sequence[str]
) -> None:
    """Make the sketches of these rows of a quarter hour of what raw events are left."""
    dimension = table.key or "''"
    rows = await connection.fetch(
        f"SELECT DISTINCT {dimension}, {', '.join(_SEEN[name] for name in table.sketches)} "  # noqa: S608
        f"FROM {EVENTS} WHERE is_human AND {occurred_within(RAW_EVENTS)} AND {dimension} = ANY($5::text[])",
        *bounds(RAW_EVENTS, quarter, quarter + QUARTER),
        keys,
    )
    seen: dict[str, tuple[set[str], ...]] = {key: tuple(set() for _ in table.sketches) for key in keys}
    for key, *values in rows:
        for kept, value in zip(seen[key], values, strict=True):
            kept.add(value)
    changes = ", ".join(f"{name} = ${n}" for n, name in enumerate(table.sketches, 3))
    await connection.executemany(
        f"UPDATE {table.name} SET {changes} "  # noqa: S608 - constants of ours
        f"WHERE span_minutes = {QUARTER_MINUTES} AND bucket_start = $1 AND {dimension} = $2::text",
        [
            (quarter, key, *(merged(lg_k_of(table), (), values) if values else None for values in sets))
            for key, sets in seen.items()
        ],
    )


async def _drop_empty_rows(connection: Any, quarter: datetime.datetime) -> None:
    """A product, source or country that only the subject had leaves no trace either."""
    for table in ROLLUP_TABLES:
        if table.counters:
            nothing = " AND ".join(f"{name} = 0" for name in table.counters)
            await connection.execute(
                f"DELETE FROM {table.name} WHERE span_minutes = {QUARTER_MINUTES} "  # noqa: S608
                f"AND bucket_start = $1 AND {nothing}",
                quarter,
            )
