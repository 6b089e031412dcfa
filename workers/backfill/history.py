"""Writing the invented past: of which links and products, which days, and through the drain's writer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import asyncpg

from millrace.streams.event_records import StreamEvent
from millrace.streams.records import Click
from server.affiliate.product_urls import fill_template
from server.analytics.closing import close_days
from workers.backfill.chance import DAY_MS
from workers.backfill.shop import Shop, SoldProduct
from workers.backfill.traffic import PromotedLink, clicks_of_day
from workers.backfill.visits import visits_of_day
from workers.drain.click_kind import ClickKind
from workers.drain.event_kind import EventKind
from workers.drain.writer import CONNECT_SECONDS, RowWriter, Written

_BATCH_ROWS: Final = 5_000

_LINKS: Final = """
    SELECT link_id, partner_id, product_id FROM links
    WHERE cardinality($1::uuid[]) = 0 OR link_id = ANY($1::uuid[])
    ORDER BY link_id
"""
_PRODUCTS: Final = """
    SELECT product_id, slug, variants[0]->>1 AS price, variants[0]->>2 AS currency, popularity
    FROM products WHERE status = 'ACTIVE' AND jsonb_array_length(variants) > 0
    ORDER BY product_id LIMIT 1000
"""
_TEMPLATE: Final = (
    "SELECT product_url_template FROM affiliate_program WHERE product_url_template IS NOT NULL LIMIT 1"
)


class Stage(NamedTuple):
    """Where the invented people click and walk; no shop, no visits."""

    links: list[PromotedLink]
    shop: Shop | None


class Past(NamedTuple):
    """What was written of each."""

    clicks: Written
    events: Written


async def read_stage(dsn: str, only: Sequence[str] = ()) -> Stage:
    """The links of the database, or those of the given ids, and the products that it sells."""
    connection = await asyncpg.connect(dsn, timeout=CONNECT_SECONDS)
    try:
        rows = await connection.fetch(_LINKS, list(only))
        links = [
            PromotedLink(row["link_id"].bytes, row["partner_id"].bytes, row["product_id"]) for row in rows
        ]
        return Stage(links, await _read_shop(connection))
    finally:
        await connection.close()


async def _read_shop(connection: Any) -> Shop | None:
    template = await connection.fetchval(_TEMPLATE)
    rows = await connection.fetch(_PRODUCTS) if template else []
    products = [
        SoldProduct(
            product_id=row["product_id"],
            url=fill_template(template, product_id=row["product_id"], slug=row["slug"]),
            price=int(row["price"]),
            currency=row["currency"],
            popularity=row["popularity"],
        )
        for row in rows
    ]
    return Shop(products) if products else None


async def write_history(
    dsn: str, stage: Stage, *, days: int, until_ms: int, mean_clicks: float, mean_visits: float
) -> Past:
    """Write clicks and events of the last `days` UTC days before `until_ms`; those written before stay alone.

    Cut short, it is simply run again.
    """
    clicks: list[Click] = []
    events: list[StreamEvent] = []
    from_ms, today = until_ms - days * DAY_MS, until_ms // DAY_MS
    for day in range(today - days, today + 1):
        made = [click for link in stage.links for click in clicks_of_day(link, day, mean_clicks=mean_clicks)]
        clicks += [click for click in made if from_ms <= click.at_ms < until_ms]
        if stage.shop:
            visits = visits_of_day(stage.shop, day, made, mean_visits=mean_visits)
            events += [event for event in visits if from_ms <= event.occurred_ms < until_ms]
    async with RowWriter(ClickKind(), dsn) as clicks_writer, RowWriter(EventKind(), dsn) as events_writer:
        # Side by side, as two drains would: while one computes, PostgreSQL works for the other.
        return Past(*await asyncio.gather(_write(clicks_writer, clicks), _write(events_writer, events)))


async def _write(writer: Any, facts: Sequence[Any]) -> Written:
    written = Written(0, 0)
    for start in range(0, len(facts), _BATCH_ROWS):
        written = written.plus(await writer.write_facts(facts[start : start + _BATCH_ROWS]))
    return written


async def close_past(dsn: str, *, days: int, until_ms: int) -> int:
    """Sum up the days that are over, as a job would within the hour; says how many that were."""
    today = until_ms // DAY_MS
    connection = await asyncpg.connect(dsn, timeout=CONNECT_SECONDS)
    try:
        return await close_days(connection, today - days, today)
    finally:
        await connection.close()
