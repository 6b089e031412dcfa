"""Writing the invented past: which links, which days, and through the drain's writer into PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Final

import asyncpg

from millrace.streams.records import Click
from workers.backfill.traffic import DAY_MS, PromotedLink, clicks_of_day
from workers.drain.copy_format import copy_row
from workers.drain.decoding import PendingClick
from workers.drain.writer import CONNECT_SECONDS, ClickWriter, Written

_BATCH_CLICKS: Final = 5_000


async def promoted_links(dsn: str, only: Sequence[str] = ()) -> list[PromotedLink]:
    """All links of the database, or those of the given ids."""
    connection = await asyncpg.connect(dsn, timeout=CONNECT_SECONDS)
    try:
        rows = await connection.fetch(
            "SELECT link_id, partner_id, product_id FROM links "
            "WHERE cardinality($1::uuid[]) = 0 OR link_id = ANY($1::uuid[]) ORDER BY link_id",
            list(only),
        )
    finally:
        await connection.close()
    return [PromotedLink(row["link_id"].bytes, row["partner_id"].bytes, row["product_id"]) for row in rows]


async def write_history(
    dsn: str, links: Sequence[PromotedLink], *, days: int, until_ms: int, mean_clicks: float
) -> Written:
    """Write the clicks of the last `days` UTC days before `until_ms`; those written before are left alone."""
    written = Written(0, 0)
    today = until_ms // DAY_MS
    async with ClickWriter(dsn) as writer:
        for day in range(today - days, today + 1):
            made = [click for link in links for click in clicks_of_day(link, day, mean_clicks=mean_clicks)]
            made = [click for click in made if until_ms - days * DAY_MS <= click.at_ms < until_ms]
            made.sort(key=attrgetter("click_id"))
            for start in range(0, len(made), _BATCH_CLICKS):
                batch = [_pending(click) for click in made[start : start + _BATCH_CLICKS]]
                written = written.plus(await writer.write(batch))
    return written


def _pending(click: Click) -> PendingClick:
    # It never was in a stream, so it has neither entry nor record.
    return PendingClick(b"", b"", click, copy_row(click), click.click_id)
