"""Hours, days and weeks against the quarter hours they were summed up from, where their closing stands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from server.analytics.closing import floor_to, lg_k_of, span_start
from server.analytics.differences import Difference, Proof
from server.analytics.drift_counts import tolerance
from server.analytics.event_columns import (
    DAY_MINUTES,
    QUARTER_MINUTES,
    ROLLUP_TABLES,
    SPAN_CLOSINGS,
    WEEK_MINUTES,
    RollupTable,
)
from server.analytics.sketches import distinct
from server.analytics.utc_days import day_of, start_of

_CLOSED: Final = f"SELECT bucket_start FROM {SPAN_CLOSINGS} WHERE span_minutes = $1 ORDER BY bucket_start"  # noqa: S608


async def closed_days(connection: Any) -> list[int]:
    """The days whose longer spans are whole, oldest first."""
    return [day_of(row[0]) for row in await connection.fetch(_CLOSED, DAY_MINUTES)]


async def closed_weeks(connection: Any) -> list[int]:
    """The Mondays of the weeks that are whole, oldest first."""
    return [day_of(row[0]) for row in await connection.fetch(_CLOSED, WEEK_MINUTES)]


async def compare_day(connection: Any, day: int, proof: Proof, *, with_sketches: bool) -> None:
    """Add what differs in the hours and the day itself, if it is closed. Call it within one snapshot."""
    if not await _is_closed(connection, DAY_MINUTES, day):
        return
    for table in ROLLUP_TABLES:
        for span in table.spans:
            if span <= DAY_MINUTES:
                await _compare_counters(connection, table, span, day, proof)
        if table.sketches and with_sketches:
            spans = [span for span in table.spans if span <= DAY_MINUTES]
            await _compare_sketches(connection, table, _Sketched(QUARTER_MINUTES, spans, day, day + 1), proof)


async def compare_week(connection: Any, monday: int, proof: Proof, *, with_sketches: bool) -> None:
    """The same for a week, whose sketches are compared with those of its days."""
    if not await _is_closed(connection, WEEK_MINUTES, monday):
        return
    week = _Sketched(DAY_MINUTES, [WEEK_MINUTES], monday, monday + 7)
    for table in ROLLUP_TABLES:
        if WEEK_MINUTES in table.spans:
            await _compare_counters(connection, table, WEEK_MINUTES, monday, proof)
            if table.sketches and with_sketches:
                await _compare_sketches(connection, table, week, proof)


async def _is_closed(connection: Any, span: int, day: int) -> bool:
    # Asked again within the snapshot: a late event may have opened it since the list was made.
    return bool(
        await connection.fetchval(
            f"SELECT EXISTS (SELECT FROM {SPAN_CLOSINGS} WHERE span_minutes = $1 AND bucket_start = $2)",  # noqa: S608
            span,
            start_of(day),
        )
    )


async def _compare_counters(connection: Any, table: RollupTable, span: int, day: int, proof: Proof) -> None:
    if not table.counters:
        return
    end = day + max(span, DAY_MINUTES) // DAY_MINUTES
    rows = await connection.fetch(_counters_statement(table), span, start_of(day), start_of(end))
    for bucket, key, *counters in rows:
        expected, found = counters[: len(table.counters)], counters[len(table.counters) :]
        for name, ought, kept in zip(table.counters, expected, found, strict=True):
            if ought != kept:
                proof.differences.append(Difference(_place(table, span), bucket, key, name, ought, kept))


def _counters_statement(table: RollupTable) -> str:
    key = table.key or "''"
    names = ", ".join(table.counters)
    sums = ", ".join(f"sum({name})::bigint AS {name}" for name in table.counters)
    expected, found = (
        ", ".join(f"coalesce({side}.{name}, 0)" for name in table.counters) for side in ("summed", "kept")
    )
    return f"""
        SELECT bucket, key, {expected}, {found}
        FROM (
            SELECT {span_start("$1")} AS bucket, {key} AS key, {sums}
            FROM {table.name}
            WHERE span_minutes = {QUARTER_MINUTES} AND bucket_start >= $2 AND bucket_start < $3
            GROUP BY 1, 2
        ) AS summed FULL JOIN (
            SELECT bucket_start AS bucket, {key} AS key, {names}
            FROM {table.name} WHERE span_minutes = $1 AND bucket_start >= $2 AND bucket_start < $3
        ) AS kept USING (bucket, key)
        WHERE ROW({expected}) IS DISTINCT FROM ROW({found})
        ORDER BY bucket, key
    """  # noqa: S608 - constants of ours


class _Sketched(NamedTuple):
    """Spans of the days from `first` to before `beyond`, and the shorter one that they were merged from."""

    source: int
    spans: Sequence[int]
    first: int
    beyond: int


async def _compare_sketches(connection: Any, table: RollupTable, asked: _Sketched, proof: Proof) -> None:
    rows = await connection.fetch(
        f"SELECT span_minutes, bucket_start, {table.key or repr('')}, {', '.join(table.sketches)} "  # noqa: S608
        f"FROM {table.name} "
        "WHERE span_minutes = ANY($1::int2[]) AND bucket_start >= $2 AND bucket_start < $3",
        [asked.source, *asked.spans],
        start_of(asked.first),
        start_of(asked.beyond),
    )
    for span in asked.spans:
        _compare_span_sketches(table, asked.source, span, rows, proof)


def _compare_span_sketches(
    table: RollupTable, source: int, span: int, rows: Sequence[Any], proof: Proof
) -> None:
    parts: defaultdict[tuple[datetime, str], list[Any]] = defaultdict(list)
    kept: dict[tuple[datetime, str], Any] = {}
    for minutes, bucket, key, *sketches in rows:
        if minutes == source:
            parts[floor_to(bucket, span), key].append(sketches)
        elif minutes == span:
            kept[bucket, key] = sketches
    lg_k = lg_k_of(table)
    for bucket, key in sorted(parts.keys() | kept.keys()):
        for n, name in enumerate(table.sketches):
            ought = distinct(lg_k, [sketches[n] for sketches in parts.get((bucket, key), ())])
            found = distinct(lg_k, [kept[bucket, key][n]] if (bucket, key) in kept else [])
            proof.counts += 1
            if abs(ought - found) > tolerance(lg_k, ought):
                proof.differences.append(Difference(_place(table, span), bucket, key, name, ought, found))


def _place(table: RollupTable, span: int) -> str:
    length = {60: "hour", DAY_MINUTES: "day", WEEK_MINUTES: "week"}[span]
    return f"{table.name} ({length})"
