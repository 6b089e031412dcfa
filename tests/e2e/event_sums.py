"""Rollups and sessions against raw rows, asked of Postgres in words of our own: each difference is a line.

`make prove` asks the same with the project's own code; here nothing of it is believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import asyncpg

from server.analytics import sketches

_HUMAN_VIEWS = "count(*) FILTER (WHERE is_human AND type = 'page_view')"
_HUMANS = "count(*) FILTER (WHERE is_human)"
_BOTS = "count(*) FILTER (WHERE NOT is_human)"
_DIMENSION = {"page_views": _HUMAN_VIEWS, "human_events": _HUMANS, "bot_events": _BOTS}

# Of each table of counts: its key, and each counter as a count over raw events.
_EVENT_COUNTS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "event_type_rollups": ("type", {"human_events": _HUMANS, "bot_events": _BOTS}),
    "event_source_rollups": ("source", _DIMENSION),
    "event_device_rollups": ("device", _DIMENSION),
    "event_country_rollups": ("country", _DIMENSION),
}

_PRODUCTS = """
    WITH facts AS (
        SELECT occurred_at AS at, product_id, (type = 'product_view')::int AS views,
            (type = 'add_to_cart')::int AS carts, (type = 'purchase')::int AS purchases,
            0 AS clicks, 0 AS uniques
        FROM events
        WHERE is_human AND product_id IS NOT NULL
            AND type IN ('product_view', 'add_to_cart', 'purchase')
        UNION ALL
        SELECT clicked_at, product_id, 0, 0, 0, 1, is_unique::int
        FROM clicks WHERE is_human AND product_id IS NOT NULL
    ), raw AS (
        SELECT date_bin('15 minutes', at, 'epoch') AS bucket_start, product_id, sum(views) AS views,
            sum(carts) AS add_to_carts, sum(purchases) AS purchases, sum(clicks) AS human_clicks,
            sum(uniques) AS unique_clicks
        FROM facts GROUP BY 1, 2
    ), kept AS (
        SELECT * FROM product_rollups WHERE span_minutes = 15
    )
    SELECT bucket_start, product_id AS key, raw::text AS raw, kept::text AS kept
    FROM raw FULL JOIN kept USING (bucket_start, product_id)
    WHERE (coalesce(raw.views, 0), coalesce(raw.add_to_carts, 0), coalesce(raw.purchases, 0),
        coalesce(raw.human_clicks, 0), coalesce(raw.unique_clicks, 0))
        <> (coalesce(kept.views, 0), coalesce(kept.add_to_carts, 0), coalesce(kept.purchases, 0),
        coalesce(kept.human_clicks, 0), coalesce(kept.unique_clicks, 0))
"""

_CLICKS = """
    WITH raw AS (
        SELECT date_bin('15 minutes', clicked_at, 'epoch') AS bucket_start,
            count(*) FILTER (WHERE is_human) AS human,
            count(*) FILTER (WHERE is_human AND is_unique) AS uniques,
            count(*) FILTER (WHERE NOT is_human) AS bots
        FROM clicks GROUP BY 1
    ), kept AS (
        SELECT * FROM click_rollups WHERE span_minutes = 15
    )
    SELECT bucket_start, '' AS key, raw::text AS raw, kept::text AS kept
    FROM raw FULL JOIN kept USING (bucket_start)
    WHERE (coalesce(human, 0), coalesce(uniques, 0), coalesce(bots, 0))
        <> (coalesce(human_clicks, 0), coalesce(unique_clicks, 0), coalesce(bot_clicks, 0))
"""

_SESSIONS = """
    WITH raw AS (
        SELECT session_id, min(occurred_at) AS started_at, max(occurred_at) AS last_event_at,
            min(occurred_at) FILTER (WHERE type = 'product_view') AS first_product_view_at,
            min(occurred_at) FILTER (WHERE type = 'add_to_cart') AS first_add_to_cart_at,
            max(occurred_at) FILTER (WHERE type = 'add_to_cart') AS last_add_to_cart_at,
            max(occurred_at) FILTER (WHERE type = 'purchase') AS last_purchase_at
        FROM events WHERE is_human GROUP BY session_id
    )
    SELECT coalesce(raw.started_at, kept.started_at) AS bucket_start, session_id AS key,
        raw::text AS raw, kept::text AS kept
    FROM raw FULL JOIN event_sessions kept USING (session_id)
    WHERE (raw.started_at, raw.last_event_at, raw.first_product_view_at,
        raw.first_add_to_cart_at, raw.last_add_to_cart_at, raw.last_purchase_at)
        IS DISTINCT FROM (kept.started_at, kept.last_event_at, kept.first_product_view_at,
        kept.first_add_to_cart_at, kept.last_add_to_cart_at, kept.last_purchase_at)
"""

_DISTINCT = """
    SELECT count(DISTINCT coalesce('u:' || user_id, 's:' || session_id)) AS visitors,
        count(DISTINCT session_id) AS sessions
    FROM events WHERE is_human AND occurred_at >= $1
"""


async def differences(dsn: str) -> list[str]:
    """Every rollup row and session that does not say what raw rows say, and visitors that were miscounted."""
    connection = await asyncpg.connect(dsn)
    try:
        # One snapshot, so that a batch which is committed meanwhile is on both sides or on neither.
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            found = []
            for table, (key, counters) in _EVENT_COUNTS.items():
                found += await _rows(connection, table, _counts(table, key, counters))
            found += await _rows(connection, "product_rollups", _PRODUCTS)
            found += await _rows(connection, "click_rollups", _CLICKS)
            found += await _rows(connection, "event_sessions", _SESSIONS)
            return found + await _miscounted_visitors(connection)
    finally:
        await connection.close()


def _counts(table: str, key: str, counters: Mapping[str, str]) -> str:
    raw = ", ".join(f"{count} AS {name}" for name, count in counters.items())
    either = " OR ".join(f"coalesce(raw.{name}, 0) <> coalesce(kept.{name}, 0)" for name in counters)
    return f"""
        WITH raw AS (
            SELECT date_bin('15 minutes', occurred_at, 'epoch') AS bucket_start, {key}, {raw}
            FROM events GROUP BY 1, 2
        ), kept AS (
            SELECT * FROM {table} WHERE span_minutes = 15
        )
        SELECT bucket_start, {key} AS key, raw::text AS raw, kept::text AS kept
        FROM raw FULL JOIN kept USING (bucket_start, {key}) WHERE {either}
    """  # noqa: S608 - names of ours


async def _rows(connection: asyncpg.Connection, table: str, query: str) -> list[str]:
    rows = await connection.fetch(query)
    return [
        f"{table} {row['bucket_start']} {row['key']}: raw {row['raw']}, kept {row['kept']}" for row in rows
    ]


async def _miscounted_visitors(connection: asyncpg.Connection) -> list[str]:
    """Visitors and sessions of the last two hours by sketch, which may err by two percent above 1,000."""
    now = datetime.now(UTC)
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    exact = await connection.fetchrow(_DISTINCT, since)
    rows = await connection.fetch(
        "SELECT visitors, sessions FROM event_visitor_rollups WHERE span_minutes = 15 AND bucket_start >= $1",
        since,
    )
    found = []
    for name in ("visitors", "sessions"):
        counted = sketches.distinct(sketches.SHOP_LG_K, [row[name] for row in rows])
        allowed = 0 if exact[name] < 1_000 else exact[name] * 0.02
        if abs(counted - exact[name]) > allowed:
            found.append(f"event_visitor_rollups since {since}: {counted} {name}, raw {exact[name]}")
    return found
