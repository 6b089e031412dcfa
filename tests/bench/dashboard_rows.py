"""A shop's 90 days as raw events and the rollups that follow from them, made at the speed of plain SQL.

A session has four events, one after the other; sessions come evenly over the day. What SQL makes of the
number of a session, Python makes of it too, for the sketches. All days but the last are closed, and all weeks
that are over.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import asyncpg
from datasketches import hll_sketch, tgt_hll_type

from server.analytics.closing import close_days
from server.analytics.local_days import keep_local_days
from server.analytics.sketches import DIMENSION_LG_K, SHOP_LG_K
from server.db.day_partitions import DayPartitions

DAYS = 90
PRODUCTS = 19_000
SOURCES = ("direct", "search", "paid_search", "social", "referral", "newsletter", "email", "autumn-sale")
DEVICES = ("mobile", "desktop", "tablet")
COUNTRIES = (
    "DE", "AT", "CH", "US", "GB", "FR", "NL", "BE", "IT", "ES", "PL", "DK", "SE", "NO", "FI", "CZ", "HU",
    "PT", "IE", "ZZ",
)  # fmt: skip
CONNECTIONS = 2
SHOP_ZONE = ZoneInfo("Europe/Berlin")

# Of the session's number. User ids of every second one; a person comes back now and then.
_SESSION = "({0} / 4 + $2::bigint * $3::bigint)"
_RAW = f"""
    INSERT INTO events (event_id, occurred_at, received_at, is_human, is_clamped, country, type, session_id,
        user_id, product_id, device, source)
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7000'
            || lpad(to_hex(n), 16, '8000000000000000'))::uuid,
        at, at, true, false, ($4::text[])[1 + session % {len(COUNTRIES)}],
        CASE WHEN n % 20 < 11 THEN 'page_view' WHEN n % 20 < 18 THEN 'product_view'
            WHEN n % 20 = 18 THEN 'add_to_cart' ELSE 'purchase' END,
        's' || session, CASE WHEN session % 2 = 0 THEN 'u' || session % 40000 END,
        CASE WHEN n % 20 >= 11 THEN 'p' || floor({PRODUCTS} * power(((n * 7919) % 100003) / 100003.0, 2)) END,
        ($5::text[])[1 + session % {len(DEVICES)}], ($6::text[])[1 + session % {len(SOURCES)}]
    FROM (
        SELECT n, $1::timestamptz + (n * 86400.0 / ($3 * 4)) * interval '1 second' AS at,
            {_SESSION.format("n")} AS session
        FROM generate_series(0, $3::bigint * 4 - 1) AS n
    ) AS made
"""  # noqa: S608 - constants of ours
_QUARTER = "date_bin('15 minutes', occurred_at, timestamptz 'epoch')"
_IN_DAY = "occurred_at >= $1 AND occurred_at < $1 + interval '1 day' AND event_id >= $2 AND event_id < $3"
_COUNTS = (
    f"""
    INSERT INTO event_type_rollups (span_minutes, bucket_start, type, human_events)
    SELECT 15, {_QUARTER}, type, count(*) FROM events WHERE {_IN_DAY} GROUP BY 2, 3
    """,  # noqa: S608
    f"""
    INSERT INTO product_rollups
        (span_minutes, bucket_start, product_id, views, add_to_carts, purchases, human_clicks, unique_clicks)
    SELECT 15, {_QUARTER}, product_id, count(*) FILTER (WHERE type = 'product_view'),
        count(*) FILTER (WHERE type = 'add_to_cart'), count(*) FILTER (WHERE type = 'purchase'), 1, 1
    FROM events WHERE {_IN_DAY} AND product_id IS NOT NULL GROUP BY 2, 3
    """,  # noqa: S608
    f"""
    INSERT INTO click_rollups (span_minutes, bucket_start, human_clicks, unique_clicks)
    SELECT 15, {_QUARTER}, count(*) / 5, count(*) / 10 FROM events WHERE {_IN_DAY} GROUP BY 2
    """,  # noqa: S608
)
_LONGER = tuple(
    f"""
    INSERT INTO {table} (span_minutes, bucket_start, {", ".join((*key, *counters))})
    SELECT {span}, date_trunc('{unit}', bucket_start, 'UTC'),
        {", ".join((*key, *(f"sum({name})" for name in counters)))}
    FROM {table} WHERE span_minutes = 15 AND bucket_start < $1
    GROUP BY {", ".join(map(str, range(1, 3 + len(key))))} ORDER BY 2
    """  # noqa: S608
    for table, key, counters in (
        ("event_type_rollups", ("type",), ("human_events",)),
        ("click_rollups", (), ("human_clicks", "unique_clicks")),
        (
            "product_rollups",
            ("product_id",),
            ("views", "add_to_carts", "purchases", "human_clicks", "unique_clicks"),
        ),
    )
    for span, unit in ((60, "hour"), (1440, "day"))
    if (table, span) != ("product_rollups", 60)
)
_CLOSE = """
    INSERT INTO rollup_closings (span_minutes, bucket_start)
    SELECT 1440, day FROM generate_series($1::timestamptz, $2::timestamptz - interval '1 day', '1 day') AS day
"""


async def fill(dsn: str, events: int, today: datetime) -> None:
    """Put about so many events into an empty migrated database, over the DAYS up to the end of `today`."""
    first = today - timedelta(days=DAYS - 1)
    days = [first + timedelta(days=number) for number in range(DAYS)]
    sessions = events // DAYS // 4
    async with asyncpg.create_pool(dsn, min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        async with pool.acquire() as connection:
            await DayPartitions("events").ensure(connection, [_day_number(day) for day in days])
        await asyncio.gather(*(_fill_day(pool, day, number, sessions) for number, day in enumerate(days)))
        await asyncio.gather(*(pool.execute(statement, today) for statement in _LONGER))
        await pool.execute(_CLOSE, first, today)
        for number, day in enumerate(days):
            await _fill_sketches(pool, day, number, sessions, closed=day < today)
        async with pool.acquire() as connection:
            # Weeks, and days of the shop's time zone, as the job makes them.
            await close_days(connection, 0, -1)
            await keep_local_days(connection, SHOP_ZONE)
        await pool.execute("VACUUM ANALYZE")


async def _fill_day(pool: asyncpg.Pool, day: datetime, number: int, sessions: int) -> None:
    async with pool.acquire() as connection:
        await connection.execute(
            _RAW, day, number, sessions, list(COUNTRIES), list(DEVICES), list(SOURCES), timeout=300
        )
        first, beyond = (_first_id(day + timedelta(days=plus)) for plus in (0, 1))
        for statement in _COUNTS:
            await connection.execute(statement, day, first, beyond, timeout=300)


async def _fill_sketches(
    pool: asyncpg.Pool, day: datetime, number: int, sessions: int, *, closed: bool
) -> None:
    made = _Sketches(day, closed=closed)
    for place in range(sessions):
        session = place + number * sessions
        at = day + timedelta(seconds=place * 86_400 / sessions)
        made.see(at, session)
    async with pool.acquire() as connection:
        for table, columns, rows in made.rows():
            await connection.copy_records_to_table(table, columns=columns, records=rows)


class _Sketches:
    """A day's sketches, of quarter hours, hours and the day."""

    def __init__(self, day: datetime, *, closed: bool) -> None:
        self._day = day
        self._spans = (15, 60, 1440) if closed else (15,)
        self._shop: dict[tuple[int, datetime], tuple[hll_sketch, hll_sketch]] = {}
        self._names: dict[tuple[str, int, datetime, str], list[object]] = {}

    def see(self, at: datetime, session: int) -> None:
        visitor = f"u:u{session % 40_000}" if session % 2 == 0 else f"s:s{session}"
        for span in self._spans:
            start = self._day + (at - self._day) // timedelta(minutes=span) * timedelta(minutes=span)
            shop = self._shop.get((span, start))
            if shop is None:
                shop = self._shop[span, start] = (_sketch(SHOP_LG_K), _sketch(SHOP_LG_K))
            shop[0].update(visitor)
            shop[1].update(f"s{session}")
            if span == 60:
                continue
            for table, names in (("source", SOURCES), ("device", DEVICES), ("country", COUNTRIES)):
                key = (table, span, start, names[session % len(names)])
                kept = self._names.get(key)
                if kept is None:
                    kept = self._names[key] = [_sketch(DIMENSION_LG_K), 0]
                kept[0].update(visitor)  # type: ignore[attr-defined]  # a sketch beside its count
                kept[1] += 1  # type: ignore[operator]

    def rows(self) -> Iterator[tuple[str, tuple[str, ...], list[tuple[object, ...]]]]:
        """Table, columns and rows of each."""
        shop = [(*key, *(each.serialize_compact() for each in kept)) for key, kept in self._shop.items()]
        columns: tuple[str, ...] = ("span_minutes", "bucket_start", "visitors", "sessions")
        yield "event_visitor_rollups", columns, shop
        for name in ("source", "device", "country"):
            rows: list[tuple[object, ...]] = [
                (span, start, value, 2 * int(kept[1]), 4 * int(kept[1]), kept[0].serialize_compact())  # type: ignore[call-overload, attr-defined]
                for (table, span, start, value), kept in self._names.items()
                if table == name
            ]
            columns = ("span_minutes", "bucket_start", name, "page_views", "human_events", "visitors")
            yield f"event_{name}_rollups", columns, rows


def _sketch(lg_k: int) -> hll_sketch:
    return hll_sketch(lg_k, tgt_hll_type.HLL_4)


def _day_number(day: datetime) -> int:
    return int(day.timestamp()) // 86_400


def _first_id(day: datetime) -> str:
    return f"{int(day.timestamp()) * 1000:012x}".ljust(32, "0")


def midnight(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
