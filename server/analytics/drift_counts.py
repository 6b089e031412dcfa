"""Raw rows of a UTC day against all that is counted by the quarter hour: rollups, sketches, sessions.

Counted by PostgreSQL, not by the drain's code, so that a mistake of that code shows. Both sides change in one
transaction, so in one snapshot they agree at every instant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from math import ceil, sqrt
from typing import Any, Final, NamedTuple

from server.analytics.closing import lg_k_of
from server.analytics.differences import Difference, Proof
from server.analytics.event_columns import (
    CLICK_ROLLUPS,
    COUNTRY_ROLLUPS,
    DEVICE_ROLLUPS,
    PRODUCT_ROLLUPS,
    QUARTER_MINUTES,
    SESSIONS,
    SOURCE_ROLLUPS,
    TYPE_ROLLUPS,
    VISITOR_ROLLUPS,
    RollupTable,
)
from server.analytics.raw_days import RAW_CLICKS, RAW_EVENTS, RawTable, day_bounds, occurred_within
from server.analytics.sketches import distinct
from server.analytics.utc_days import start_of

# The affiliate's own counts, by link; the table has no other spans.
LINK_ROLLUPS: Final = RollupTable(
    "link_click_rollups", "link_id", ("human_clicks", "unique_clicks", "bot_clicks"), (), ()
)

# What a line of the answer tells beside differences.
_ROWS: Final = "rows"
_COMPARED: Final = "compared"

Counts = dict[tuple[datetime, str], Any]


class Facet(NamedTuple):
    """A table of counts, or some columns of one: which rows a counter counts, what a sketch has seen."""

    table: RollupTable
    counters: Mapping[str, str]
    sketches: Mapping[str, str] = {}
    rows: str = "true"


_VISITOR: Final = "CASE WHEN user_id IS NULL THEN 's:' || session_id ELSE 'u:' || user_id END"
_BY_HUMANS: Final = {"human_events": "is_human", "bot_events": "NOT is_human"}
_DIMENSION: Final = {"page_views": "is_human AND type = 'page_view'", **_BY_HUMANS}
_CLICKS: Final = {
    "human_clicks": "is_human",
    "unique_clicks": "is_human AND is_unique",
    "bot_clicks": "NOT is_human",
}

EVENT_FACETS: Final = (
    Facet(TYPE_ROLLUPS, _BY_HUMANS),
    Facet(VISITOR_ROLLUPS, {}, {"visitors": "visitor", "sessions": "session_id"}),
    *(
        Facet(table, _DIMENSION, {"visitors": "visitor"})
        for table in (SOURCE_ROLLUPS, DEVICE_ROLLUPS, COUNTRY_ROLLUPS)
    ),
    Facet(
        PRODUCT_ROLLUPS,
        {
            "views": "type = 'product_view'",
            "add_to_carts": "type = 'add_to_cart'",
            "purchases": "type = 'purchase'",
        },
        rows="is_human AND product_id IS NOT NULL",
    ),
)
CLICK_FACETS: Final = (
    Facet(CLICK_ROLLUPS, _CLICKS),
    Facet(LINK_ROLLUPS, _CLICKS),
    Facet(
        PRODUCT_ROLLUPS,
        {"human_clicks": "true", "unique_clicks": "is_unique"},
        rows="is_human AND product_id IS NOT NULL",
    ),
)

_EVENT_FACTS: Final = (
    f"type, is_human, source, device, country, product_id, session_id, {_VISITOR} AS visitor"
)
_CLICK_FACTS: Final = "link_id, product_id, is_human, is_unique"

_SESSION_FACTS: Final = (
    ("started_at", "min(occurred_at)", "<", "infinity"),
    ("last_event_at", "max(occurred_at)", ">", "-infinity"),
    ("first_product_view_at", "min(occurred_at) FILTER (WHERE type = 'product_view')", "<", "infinity"),
    ("first_add_to_cart_at", "min(occurred_at) FILTER (WHERE type = 'add_to_cart')", "<", "infinity"),
    ("last_add_to_cart_at", "max(occurred_at) FILTER (WHERE type = 'add_to_cart')", ">", "-infinity"),
    ("last_purchase_at", "max(occurred_at) FILTER (WHERE type = 'purchase')", ">", "-infinity"),
)
_NARROW: Final = " OR ".join(
    f"raw.{name} {beyond} coalesce(kept.{name}, '{never}')" for name, _, beyond, never in _SESSION_FACTS
)
# Of sessions that lie within the day. Whether one begins too early is asked apart.
_WIDE: Final = " OR ".join(
    f"kept.{name} {beyond} coalesce(raw.{name}, '{never}')" for name, _, beyond, never in _SESSION_FACTS[1:]
)
_SESSIONS: Final = f"""
    WITH raw AS MATERIALIZED (
        SELECT session_id, {", ".join(f"{value} AS {name}" for name, value, _, _ in _SESSION_FACTS)}
        FROM {RAW_EVENTS.name} WHERE is_human AND {occurred_within(RAW_EVENTS)}
        GROUP BY session_id
    )
    SELECT count(*) AS sessions, count(kept.session_id) AS kept,
        count(*) FILTER (WHERE kept.session_id IS NOT NULL AND ({_NARROW})) AS narrow,
        count(*) FILTER (
            WHERE kept.started_at >= $1 AND kept.last_event_at < $2 AND ({_WIDE})
        ) AS wide,
        (
            SELECT count(*) FROM {SESSIONS} LEFT JOIN raw USING (session_id)
            WHERE {SESSIONS}.started_at >= $1 AND {SESSIONS}.started_at < $2
                AND raw.started_at IS DISTINCT FROM {SESSIONS}.started_at
        ) AS unfounded
    FROM raw LEFT JOIN {SESSIONS} AS kept USING (session_id)
"""  # noqa: S608 - constants of ours


async def compare_events(connection: Any, day: int, proof: Proof) -> None:
    """Add what differs on this day to the proof. Call it within one snapshot."""
    await _compare(connection, day, _EVENTS, proof)
    await _compare_sessions(connection, day, proof)


async def compare_clicks(connection: Any, day: int, proof: Proof) -> None:
    """The same for clicks of affiliate links, by link as well."""
    await _compare(connection, day, _CLICKS_OF_LINKS, proof)


class _Side(NamedTuple):
    raw: RawTable
    facets: tuple[Facet, ...]
    statement: str


async def _compare(connection: Any, day: int, side: _Side, proof: Proof) -> None:
    seen: dict[tuple[int, str], Counts] = {}
    for number, what, bucket, key, expected, found in await connection.fetch(
        side.statement, *day_bounds(side.raw, day)
    ):
        if what == _ROWS:
            proof.rows += expected[0]
        elif what == _COMPARED:
            proof.counts += expected[0]
        elif what:
            seen.setdefault((number, what), {})[bucket, key] = expected[0]
        else:
            proof.differences += _unequal(side.facets[number], bucket, key, expected, found)
    for number, facet in enumerate(side.facets):
        if facet.sketches:
            kept = await _kept_sketches(connection, facet, day)
            for name in facet.sketches:
                expected = seen.get((number, name), {})
                proof.differences += _estimated_wrongly(facet, name, expected, kept[name], proof)


async def _kept_sketches(connection: Any, facet: Facet, day: int) -> dict[str, Counts]:
    """The table's sketches of the day, by column."""
    rows = await connection.fetch(
        f"SELECT bucket_start, {_key_of(facet)}, {', '.join(facet.sketches)} "  # noqa: S608
        f"FROM {facet.table.name} WHERE {_quarters(facet)}",
        start_of(day),
        start_of(day + 1),
    )
    return {name: {(row[0], row[1]): row[n] for row in rows} for n, name in enumerate(facet.sketches, 2)}


def _unequal(
    facet: Facet, bucket: datetime, key: str, expected: list[int], found: list[int]
) -> Iterator[Difference]:
    for name, ought, kept in zip(facet.counters, expected, found, strict=True):
        if ought != kept:
            yield Difference(facet.table.name, bucket, key, name, ought, kept)


def _estimated_wrongly(
    facet: Facet, name: str, expected: Counts, kept: Counts, proof: Proof
) -> Iterator[Difference]:
    lg_k = lg_k_of(facet.table)
    for bucket, key in sorted(expected.keys() | kept.keys()):
        ought, found = expected.get((bucket, key), 0), distinct(lg_k, [kept.get((bucket, key))])
        proof.counts += 1
        if abs(ought - found) > tolerance(lg_k, ought):
            yield Difference(facet.table.name, bucket, key, name, ought, found)


def tolerance(lg_k: int, exact: int) -> int:
    """How far a sketch may be from the exact count: five standard errors, and next to nothing for few."""
    if exact <= 16:
        return 0
    if exact <= 1 << lg_k - 4:  # a list of hashes of 26 bits, two of which may meet
        return 1 + exact // 256
    return ceil(5 * 1.04 / sqrt(1 << lg_k) * exact)


async def _compare_sessions(connection: Any, day: int, proof: Proof) -> None:
    found = await connection.fetchrow(_SESSIONS, *day_bounds(RAW_EVENTS, day))
    at = start_of(day)
    proof.counts += 4
    if found["kept"] != found["sessions"]:
        proof.differences.append(Difference(SESSIONS, at, "", "sessions", found["sessions"], found["kept"]))
    if found["narrow"]:
        proof.differences.append(Difference(SESSIONS, at, "", "times too narrow", 0, found["narrow"]))
    if found["wide"]:
        proof.differences.append(Difference(SESSIONS, at, "", "times too wide", 0, found["wide"]))
    if found["unfounded"]:
        proof.differences.append(Difference(SESSIONS, at, "", "starts without event", 0, found["unfounded"]))


def _key_of(facet: Facet) -> str:
    return "''" if facet.table.key is None else f"{facet.table.key}::text"


def _quarters(facet: Facet) -> str:
    span = "" if facet.table is LINK_ROLLUPS else f"span_minutes = {QUARTER_MINUTES} AND "
    return f"{span}bucket_start >= $1 AND bucket_start < $2"


def _statement(raw: RawTable, facts: str, facets: Iterable[Facet]) -> str:
    """Counts a day in one pass: facet, what, quarter, key, what follows from raw rows, what is kept.

    Of counters only the rows that differ come back; of each sketch, named in `what`, the exact counts.
    """
    parts = [f"SELECT -1, '{_ROWS}', NULL::timestamptz, '', ARRAY[count(*)], NULL::bigint[] FROM raw"]  # noqa: S608
    for number, facet in enumerate(facets):
        if facet.counters:
            parts.append(_unequal_rows(number, facet))
            parts.append(
                f"SELECT {number}, '{_COMPARED}', NULL, '', ARRAY[count(*) * {len(facet.counters)}], NULL "  # noqa: S608
                f"FROM {facet.table.name} WHERE {_quarters(facet)}"
            )
        parts += [
            f"SELECT {number}, '{name}', bucket, key, ARRAY[count(*)], NULL FROM ("  # noqa: S608
            f"SELECT DISTINCT bucket, {_key_of(facet)} AS key, {value} FROM raw WHERE is_human"
            ") AS seen GROUP BY 3, 4"
            for name, value in facet.sketches.items()
        ]
    return f"""
        WITH raw AS MATERIALIZED (
            SELECT date_bin('{QUARTER_MINUTES} minutes', {raw.at}, timestamptz 'epoch') AS bucket, {facts}
            FROM {raw.name} WHERE {occurred_within(raw)}
        )
        {" UNION ALL ".join(parts)}
    """  # noqa: S608 - constants of ours


def _unequal_rows(number: int, facet: Facet) -> str:
    counts = ", ".join(
        f"count(*) FILTER (WHERE {condition}) AS {name}" for name, condition in facet.counters.items()
    )
    expected, found = (
        ", ".join(f"coalesce({side}.{name}, 0)" for name in facet.counters) for side in ("counted", "kept")
    )
    return f"""
        SELECT {number}, '', coalesce(counted.bucket, kept.bucket), coalesce(counted.key, kept.key),
            ARRAY[{expected}], ARRAY[{found}]
        FROM (
            SELECT bucket, {_key_of(facet)} AS key, {counts} FROM raw WHERE {facet.rows} GROUP BY 1, 2
        ) AS counted FULL JOIN (
            SELECT bucket_start AS bucket, {_key_of(facet)} AS key, {", ".join(facet.counters)}
            FROM {facet.table.name} WHERE {_quarters(facet)}
        ) AS kept ON counted.bucket = kept.bucket AND counted.key = kept.key
        WHERE ROW({expected}) IS DISTINCT FROM ROW({found})
    """  # noqa: S608 - constants of ours


_EVENTS: Final = _Side(RAW_EVENTS, EVENT_FACETS, _statement(RAW_EVENTS, _EVENT_FACTS, EVENT_FACETS))
_CLICKS_OF_LINKS: Final = _Side(RAW_CLICKS, CLICK_FACETS, _statement(RAW_CLICKS, _CLICK_FACTS, CLICK_FACETS))
