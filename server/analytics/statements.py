"""What is asked of the rollups, sessions and conversions, in SQL. `repository` asks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ARRAY, DateTime, Integer, SmallInteger, Text, TextClause, bindparam, text

from server.analytics.event_columns import (
    CLICK_ROLLUPS,
    COUNTRY_ROLLUPS,
    DAY_MINUTES,
    DEVICE_ROLLUPS,
    LOCAL_DAYS,
    PRODUCT_ROLLUPS,
    SESSIONS,
    SOURCE_ROLLUPS,
    SPAN_CLOSINGS,
    TYPE_ROLLUPS,
    VISITOR_ROLLUPS,
    RollupTable,
)
from server.analytics.spans import Part

MOST_NAMES: Final = 20

# A part's rows are found by the primary key, which begins with span and start in every rollup table.
_PARTS: Final = """unnest(
        CAST(:spans AS smallint[]), CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]),
        CAST(:points AS int[])
    ) AS part (span, first, beyond, point)"""
_IN_PART: Final = "span_minutes = part.span AND bucket_start >= part.first AND bucket_start < part.beyond"


def _rows_of(table: RollupTable, *columns: str, and_also: str = "true") -> str:
    """Parts with their rows. OFFSET keeps the planner from reading all of the table to join it once."""
    return (
        f"{_PARTS} CROSS JOIN LATERAL (SELECT {', '.join(columns)} FROM {table.name} "  # noqa: S608
        f"WHERE {_IN_PART} AND {and_also} OFFSET 0) AS kept"
    )


def _on_parts(statement: str) -> TextClause:
    return text(statement).bindparams(
        bindparam("spans", type_=ARRAY(SmallInteger)),
        bindparam("starts", type_=ARRAY(DateTime(timezone=True))),
        bindparam("ends", type_=ARRAY(DateTime(timezone=True))),
        bindparam("points", type_=ARRAY(Integer)),
    )


def _sums(table: RollupTable) -> str:
    return ", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in table.counters)


CLOSINGS: Final = text(
    f"SELECT span_minutes, bucket_start, closed_at FROM {SPAN_CLOSINGS} "  # noqa: S608 - constants of ours
    "WHERE bucket_start >= :first AND bucket_start < :beyond"
)
EVENTS: Final = _on_parts(
    "SELECT point, sum(bot_events)::bigint AS bot_events, "  # noqa: S608
    "coalesce(sum(human_events) FILTER (WHERE type = 'page_view'), 0)::bigint AS page_views "
    f"FROM {_rows_of(TYPE_ROLLUPS, 'type', 'human_events', 'bot_events')} GROUP BY point"
)
CLICKS: Final = _on_parts(
    f"SELECT point, {_sums(CLICK_ROLLUPS)} "  # noqa: S608
    f"FROM {_rows_of(CLICK_ROLLUPS, *CLICK_ROLLUPS.counters)} GROUP BY point"
)
AUDIENCES: Final = _on_parts(
    f"SELECT point, visitors, sessions FROM {_rows_of(VISITOR_ROLLUPS, 'visitors', 'sessions')}"  # noqa: S608
)
LOCAL_AUDIENCES: Final = text(
    f"SELECT starts_at, ends_at, closed_at, visitors, sessions FROM {LOCAL_DAYS} "  # noqa: S608
    "WHERE (starts_at, ends_at) IN (SELECT * FROM unnest("
    "CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[])))"
).bindparams(
    bindparam("starts", type_=ARRAY(DateTime(timezone=True))),
    bindparam("ends", type_=ARRAY(DateTime(timezone=True))),
)
_BUCKETS: Final = (
    f"{_PARTS} CROSS JOIN LATERAL generate_series("
    "part.first, part.beyond - interval '1 minute', part.span * interval '1 minute') AS bucket"
)
# One look-up for each bucket: between two of a product's rows lie those of all others.
_OF_PRODUCTS: Final = (
    f"{_BUCKETS} CROSS JOIN LATERAL (SELECT product_id, {', '.join(PRODUCT_ROLLUPS.counters)} "  # noqa: S608
    f"FROM {PRODUCT_ROLLUPS.name} WHERE span_minutes = part.span AND bucket_start = bucket "
    "AND product_id = ANY(:product_ids) OFFSET 0) AS kept"
)
ONE_PRODUCT: Final = _on_parts(
    f"SELECT point, {_sums(PRODUCT_ROLLUPS)} FROM {_OF_PRODUCTS} GROUP BY point"  # noqa: S608
).bindparams(bindparam("product_ids", type_=ARRAY(Text)))
SOME_PRODUCTS: Final = _on_parts(
    f"SELECT product_id, {_sums(PRODUCT_ROLLUPS)} FROM {_OF_PRODUCTS} GROUP BY product_id"  # noqa: S608
).bindparams(bindparam("product_ids", type_=ARRAY(Text)))
_EARNED: Final = (
    "status, currency, count(*) AS conversions, coalesce(sum(revenue), 0)::bigint AS revenue, "
    "coalesce(sum(commission), 0)::bigint AS commission"
)
CONVERSIONS: Final = text(
    f"SELECT point, {_EARNED} "  # noqa: S608
    "FROM unnest(CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[])) WITH ORDINALITY "
    "AS period (first, beyond, point) "
    "JOIN conversion_facts ON converted_at >= first AND converted_at < beyond "
    "WHERE (CAST(:product_id AS text) IS NULL OR product_id = :product_id) "
    "GROUP BY point, status, currency"
).bindparams(
    bindparam("starts", type_=ARRAY(DateTime(timezone=True))),
    bindparam("ends", type_=ARRAY(DateTime(timezone=True))),
    bindparam("product_id", type_=Text),
)
PRODUCT_REVENUE: Final = text(
    f"SELECT product_id, {_EARNED} FROM conversion_facts "  # noqa: S608
    "WHERE converted_at >= :first AND converted_at < :beyond AND product_id = ANY(:product_ids) "
    "GROUP BY product_id, status, currency"
).bindparams(bindparam("product_ids", type_=ARRAY(Text)))
# An add to the cart counts at or after the first view, a purchase after both.
FUNNEL: Final = text(
    f"""
    SELECT count(*) AS viewed,
        count(*) FILTER (WHERE last_add_to_cart_at >= first_product_view_at) AS carted,
        count(*) FILTER (
            WHERE last_add_to_cart_at >= first_product_view_at
                AND last_purchase_at >= greatest(first_product_view_at, first_add_to_cart_at)
        ) AS purchased
    FROM {SESSIONS}
    WHERE started_at >= :first AND started_at < :beyond AND first_product_view_at IS NOT NULL
    """  # noqa: S608 - a constant of ours
).bindparams(
    bindparam("first", type_=DateTime(timezone=True)), bindparam("beyond", type_=DateTime(timezone=True))
)


def _names(table: RollupTable) -> TextClause:
    key = str(table.key)
    return _on_parts(
        f"SELECT {key} AS name, sum(page_views)::bigint AS page_views, "  # noqa: S608
        f"sum(human_events)::bigint AS events FROM {_rows_of(table, key, 'page_views', 'human_events')} "
        f"GROUP BY {key} HAVING sum(human_events) > 0 "
        f'ORDER BY page_views DESC, {key} COLLATE "C" LIMIT {MOST_NAMES}'
    )


def _visitors(table: RollupTable) -> TextClause:
    key = str(table.key)
    chosen = f"{key} = ANY(:names) AND visitors IS NOT NULL"
    # As one row for each name: thousands of rows cost more on their way than what is in them.
    return _on_parts(
        f"SELECT {key} AS name, array_agg(visitors) AS visitors "  # noqa: S608
        f"FROM {_rows_of(table, key, 'visitors', and_also=chosen)} GROUP BY {key}"
    ).bindparams(bindparam("names", type_=ARRAY(Text)))


_DIMENSIONS: Final = (SOURCE_ROLLUPS, DEVICE_ROLLUPS, COUNTRY_ROLLUPS)
NAMES: Final = {table: _names(table) for table in _DIMENSIONS}
VISITORS: Final = {table: _visitors(table) for table in _DIMENSIONS}

# Of each closed day or week those that lead, from the index that keeps them in that order.
RANKINGS: Final = _on_parts(
    "SELECT array_agg(product_id) AS product_ids, array_agg(views) AS views "  # noqa: S608
    f"FROM {_BUCKETS} CROSS JOIN LATERAL (SELECT product_id, views FROM {PRODUCT_ROLLUPS.name} "
    f"WHERE span_minutes = part.span AND bucket_start = bucket AND span_minutes >= {DAY_MINUTES} "
    "ORDER BY views DESC LIMIT :deep) AS kept GROUP BY part.span, bucket"
)


def leaders_among(parts: Sequence[Part]) -> tuple[TextClause, dict[str, Any]]:
    """A statement for so many parts: told them one by one, PostgreSQL reads them on several processes."""
    rows: list[str] = []
    values: dict[str, Any] = {}
    for number, part in enumerate(parts):
        names = f"span_{number}", f"first_{number}", f"beyond_{number}"
        # Said for the index that holds days and weeks only.
        kind = f" AND span_minutes >= {DAY_MINUTES}" if part.span >= DAY_MINUTES else ""
        rows.append(
            f"SELECT product_id, views FROM {PRODUCT_ROLLUPS.name} WHERE span_minutes = :{names[0]}{kind} "  # noqa: S608
            f"AND bucket_start >= :{names[1]} AND bucket_start < :{names[2]}"
        )
        values.update(zip(names, (part.span, part.start, part.end), strict=True))
    # Views are summed as doubles, which are exact up to 2^53 and much faster. "C" gives ties an order that is
    # the same everywhere.
    statement = (
        f"SELECT product_id, sum(views::float8) AS seen FROM ({' UNION ALL '.join(rows)}) AS kept "  # noqa: S608
        'GROUP BY product_id ORDER BY seen DESC, product_id COLLATE "C" LIMIT :most'
    )
    return text(statement), values
