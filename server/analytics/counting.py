"""Adding to what is kept beside raw events: quarter-hour rollups with their sketches, and sessions.

For whoever writes or removes raw rows, in the same transaction: the drain, a rebuild, an erasure. All of them
lock days first (`lock_days`), then rows in one order, so that none waits for another in a circle. Plain SQL
over asyncpg. What is counted how, `tallies` decides; it is imported from here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from server.analytics.event_columns import (
    DAY_MINUTES,
    QUARTER_MINUTES,
    ROLLUP_TABLES,
    SESSIONS,
    SPAN_CLOSINGS,
    VISITOR_ROLLUPS,
    WEEK_MINUTES,
    RollupTable,
)
from server.analytics.sketches import DIMENSION_LG_K, SHOP_LG_K, merged
from server.analytics.tallies import (
    QUARTER_MS,
    QUARTERS_PER_DAY,
    CountedClick,
    CountedEvent,
    Increments,
    Key,
    tally_clicks,
    tally_events,
)

__all__ = [
    "QUARTERS_PER_DAY",
    "QUARTER_MS",
    "ROLLUP_LOCK",
    "CountedClick",
    "CountedEvent",
    "Increments",
    "apply",
    "lock_days",
    "monday_of",
    "tally_clicks",
    "tally_events",
    "touch_sessions",
]

# First half of the advisory lock on a UTC day's rollups; the day, counted from 1970, is the other. Shared by
# those who add to the day, exclusive for whoever sums it up.
ROLLUP_LOCK: Final = 0x726F6C6C

_MONDAY: Final = 4  # the first one, as a day since 1970

_LOCK: Final = f"""
    SELECT pg_advisory_xact_lock_shared({ROLLUP_LOCK}, day) FROM unnest($1::int[]) AS day ORDER BY day
"""  # noqa: S608 - a constant of ours

_START: Final = "timestamptz 'epoch' + {} * interval '1 day'"
_REOPEN: Final = f"""
    WITH reopened AS (
        SELECT span_minutes, bucket_start FROM {SPAN_CLOSINGS}
        WHERE span_minutes = {DAY_MINUTES}
            AND bucket_start = ANY(SELECT {_START.format("day")} FROM unnest($1::int[]) AS day)
            OR span_minutes = {WEEK_MINUTES}
            AND bucket_start = ANY(SELECT {_START.format("day")} FROM unnest($2::int[]) AS day)
        ORDER BY span_minutes, bucket_start
        FOR UPDATE
    )
    DELETE FROM {SPAN_CLOSINGS} AS closing USING reopened
    WHERE closing.span_minutes = reopened.span_minutes AND closing.bucket_start = reopened.bucket_start
"""  # noqa: S608 - constants of ours

_SESSION_TIMES: Final = (
    ("started_at", "least"),
    ("last_event_at", "greatest"),
    ("first_product_view_at", "least"),
    ("first_add_to_cart_at", "least"),
    ("last_add_to_cart_at", "greatest"),
    ("last_purchase_at", "greatest"),
)
# least() and greatest() leave out what is NULL. Rows are touched in one order by all.
_TOUCH: Final = f"""
    INSERT INTO {SESSIONS} AS kept (session_id, {", ".join(name for name, _ in _SESSION_TIMES)})
    SELECT session_id, {", ".join(f"timestamptz 'epoch' + t{n} * interval '1 ms'" for n in range(6))}
    FROM unnest($1::text[], {", ".join(f"${n + 2}::bigint[]" for n in range(6))})
        AS touched (session_id, {", ".join(f"t{n}" for n in range(6))})
    ORDER BY session_id COLLATE "C"
    ON CONFLICT (session_id) DO UPDATE SET
        {", ".join(f"{name} = {pick}(kept.{name}, excluded.{name})" for name, pick in _SESSION_TIMES)}
"""  # noqa: S608 - constants of ours


def monday_of(day: int) -> int:
    """The Monday on or before a UTC day; both counted from 1970."""
    return day - (day - _MONDAY) % 7


async def lock_days(connection: Any, days: Iterable[int]) -> None:
    """Say that these UTC days, counted from 1970, are being written, until the transaction ends.

    Writers share a day; whoever sums one up waits for them, and they for it. What was summed up of the days
    and of their weeks no longer holds, so their closings go. Call it once in a transaction, before anything
    that `apply` or `touch_sessions` locks, with all of its days.
    """
    ordered = sorted(set(days))
    if not ordered:
        return
    await connection.fetch(_LOCK, ordered)
    await connection.execute(_REOPEN, ordered, sorted({monday_of(day) for day in ordered}))


async def apply(connection: Any, increments: Increments, *, sign: int = 1) -> None:
    """Add increments to the quarter-hour rows, or take them away again with `sign` -1.

    Sketches forget nothing: with -1 they stay as they are, until they are made anew from raw rows.
    """
    for table in ROLLUP_TABLES:
        keys = sorted(increments.counters[table].keys() | increments.values[table].keys())
        if not keys or (sign < 0 and not table.counters):
            continue
        columns = _columns(table, keys, increments.counters[table], sign)
        if sign > 0 and table.sketches:
            kept = await connection.fetch(_UPSERTS[table] + _GIVING[table], *columns)
            await _add_values(connection, table, kept, increments.values[table])
        else:
            await connection.execute(_UPSERTS[table], *columns)


async def touch_sessions(connection: Any, events: Iterable[CountedEvent]) -> None:
    """Widen the sessions of people by their events; repeating it changes nothing."""
    sessions: dict[str, list[int | None]] = {}
    for kind, at_ms, human, session_id, *_ in events:
        if human:
            _widen(sessions.setdefault(session_id, [at_ms, at_ms, None, None, None, None]), kind, at_ms)
    if sessions:
        ordered = sorted(sessions)
        times = zip(*(sessions[session_id] for session_id in ordered), strict=True)
        await connection.execute(_TOUCH, ordered, *map(list, times))


def _widen(times: list[Any], kind: str, at_ms: int) -> None:
    times[0] = min(times[0], at_ms)
    times[1] = max(times[1], at_ms)
    if kind == "product_view":
        times[2] = at_ms if times[2] is None else min(times[2], at_ms)
    elif kind == "add_to_cart":
        times[3] = at_ms if times[3] is None else min(times[3], at_ms)
        times[4] = at_ms if times[4] is None else max(times[4], at_ms)
    elif kind == "purchase":
        times[5] = at_ms if times[5] is None else max(times[5], at_ms)


def _columns(table: RollupTable, keys: list[Key], added: dict[Key, list[int]], sign: int) -> list[list[Any]]:
    nothing = [0] * len(table.counters)
    rows = [added.get(key, nothing) for key in keys]
    columns: list[list[Any]] = [[quarter for quarter, _ in keys]]
    if table.key:
        columns.append([value for _, value in keys])
    return columns + [[sign * row[n] for row in rows] for n in range(len(table.counters))]


async def _add_values(
    connection: Any, table: RollupTable, kept: list[Any], seen: dict[Key, tuple[set[str], ...]]
) -> None:
    lg_k = SHOP_LG_K if table is VISITOR_ROLLUPS else DIMENSION_LG_K
    changed: list[tuple[Any, ...]] = []
    for quarter, value, *sketches in kept:
        sets = seen.get((quarter, value))
        if sets is None:
            continue
        fresh = [
            merged(lg_k, [sketch], values) if values else sketch
            for sketch, values in zip(sketches, sets, strict=True)
        ]
        if fresh != sketches:
            changed.append((quarter, *((value,) if table.key else ()), *fresh))
    if changed:
        await connection.execute(_SKETCHES[table], *map(list, zip(*changed, strict=True)))


def _upsert(table: RollupTable) -> str:
    """Adds to the counters, and locks the rows in the order of their keys while it does."""
    key = (table.key,) if table.key else ()
    columns = (*key, *table.counters)
    types = (*("text" for _ in key), *("bigint" for _ in table.counters))
    added = "".join(f", ${n}::{kind}[]" for n, kind in enumerate(types, 2))
    # A row without counters is updated all the same: that is what locks it.
    changes = [f"{name} = kept.{name} + excluded.{name}" for name in table.counters] or [
        "span_minutes = kept.span_minutes"
    ]
    order = ", ".join(["quarter", *(f'{name} COLLATE "C"' for name in key)])
    return f"""
        INSERT INTO {table.name} AS kept ({", ".join(["span_minutes", "bucket_start", *columns])})
        SELECT {", ".join([str(QUARTER_MINUTES), _bucket("quarter"), *columns])}
        FROM unnest($1::bigint[]{added}) AS added ({", ".join(["quarter", *columns])})
        ORDER BY {order}
        ON CONFLICT ({", ".join(["span_minutes", "bucket_start", *key])}) DO UPDATE SET {", ".join(changes)}
    """  # noqa: S608 - constants of ours


def _giving_sketches(table: RollupTable) -> str:
    """Makes an upsert give quarter, dimension and sketches of each row."""
    sketches = "".join(f", kept.{name}" for name in table.sketches)
    quarter = f"(extract(epoch FROM kept.bucket_start)::bigint / {QUARTER_MINUTES * 60})"
    key = table.key or "''"
    return f" RETURNING {quarter}, {key}{sketches}"


def _set_sketches(table: RollupTable) -> str:
    key = (table.key,) if table.key else ()
    types = (*("text" for _ in key), *("bytea" for _ in table.sketches))
    added = "".join(f", ${n}::{kind}[]" for n, kind in enumerate(types, 2))
    matches = "".join(f" AND kept.{name} = fresh.{name}" for name in key)
    return f"""
        UPDATE {table.name} AS kept SET {", ".join(f"{name} = fresh.{name}" for name in table.sketches)}
        FROM unnest($1::bigint[]{added}) AS fresh ({", ".join(["quarter", *key, *table.sketches])})
        WHERE kept.span_minutes = {QUARTER_MINUTES}
            AND kept.bucket_start = {_bucket("fresh.quarter")}{matches}
    """  # noqa: S608 - constants of ours


def _bucket(quarter: str) -> str:
    return f"timestamptz 'epoch' + {quarter} * interval '{QUARTER_MINUTES} minutes'"


_UPSERTS: Final = {table: _upsert(table) for table in ROLLUP_TABLES}
_GIVING: Final = {table: _giving_sketches(table) for table in ROLLUP_TABLES if table.sketches}
_SKETCHES: Final = {table: _set_sketches(table) for table in ROLLUP_TABLES if table.sketches}
