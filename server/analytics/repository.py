"""What answers ask of the rollups, sessions and conversions. Raw events are never read here.

All of one answer is asked through one connection, in one snapshot (`reading`): a day that opens again while
it is read would otherwise be half of one and half of the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from server.analytics import statements
from server.analytics.audiences import Merged, Version
from server.analytics.event_columns import (
    CLICK_ROLLUPS,
    TYPE_ROLLUPS,
    RollupTable,
)
from server.analytics.figures import Conversions, Counts, ProductCounts, TopProduct
from server.analytics.ranges import Period
from server.analytics.spans import Closings, Part
from server.db.engine import Sessions

_WEEK: Final = timedelta(days=7)

# A plan for any range would be one for none: some are a day's, some a year's. And some ten thousand products
# are to be told apart in memory.
_FOR_READING: Final = text(
    "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('work_mem', '32MB', true)"
)


# Products with their views, most first.
Ranking = list[tuple[str, int]]


class LocalAudience(NamedTuple):
    """Sketches of a day that is no UTC day, and when the UTC days that it touches had been closed."""

    period: Period
    version: Version
    merged: Merged


class DimensionRow(NamedTuple):
    """One source, device or country, without its visitors."""

    name: str
    page_views: int
    events: int


@asynccontextmanager
async def reading(sessions: Sessions) -> AsyncIterator[Rollups]:
    """The rollups as they are at one moment."""
    async with sessions.begin() as session:
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        await session.execute(_FOR_READING)
        yield Rollups(session)


class Rollups:
    """Counts as one session sees them. Parts name the points that rows are summed up for."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def closings(self, start: datetime, end: datetime) -> Closings:
        """What is closed of the period and of the week in which it begins."""
        rows = await self._session.execute(statements.CLOSINGS, {"first": start - _WEEK, "beyond": end})
        return Closings({(row.span_minutes, row.bucket_start): row.closed_at for row in rows})

    async def counts(self, parts: Mapping[RollupTable, Sequence[Part]]) -> dict[int, Counts]:
        """Events and clicks by point; `parts` of the type and the click rollups."""
        found: defaultdict[int, Counts] = defaultdict(Counts)
        for row in await self._session.execute(statements.EVENTS, _arrays(parts[TYPE_ROLLUPS])):
            counts = found[row.point]
            counts.page_views, counts.bot_events = row.page_views, row.bot_events
        for row in await self._session.execute(statements.CLICKS, _arrays(parts[CLICK_ROLLUPS])):
            counts = found[row.point]
            counts.clicks, counts.unique_clicks = row.human_clicks, row.unique_clicks
            counts.bot_clicks = row.bot_clicks
        return found

    async def audiences(self, parts: Sequence[Part]) -> list[tuple[int, bytes | None, bytes | None]]:
        """Point, sketch of visitors, sketch of sessions of every row."""
        return [tuple(row) for row in await self._session.execute(statements.AUDIENCES, _arrays(parts))]

    async def local_audiences(self, periods: Sequence[Period]) -> list[LocalAudience]:
        """What is kept of those that are days of the shop's time zone; it may no longer hold."""
        if not periods:
            return []
        values = {"starts": [each.start for each in periods], "ends": [each.end for each in periods]}
        return [
            LocalAudience(
                Period(row.starts_at, row.ends_at), tuple(row.closed_at), (row.visitors, row.sessions)
            )
            for row in await self._session.execute(statements.LOCAL_AUDIENCES, values)
        ]

    async def names(self, table: RollupTable, parts: Sequence[Part]) -> list[DimensionRow]:
        """The names of a dimension with most page views, ties by name, at most MOST_NAMES."""
        rows = await self._session.execute(statements.NAMES[table], _arrays(parts))
        return [DimensionRow(row.name, row.page_views, row.events) for row in rows]

    async def visitors(
        self, table: RollupTable, parts: Sequence[Part], names: Sequence[str]
    ) -> dict[str, list[bytes]]:
        """Sketches of visitors by name, of those of these names that have any."""
        values = {**_arrays(parts), "names": list(names)}
        return {
            row.name: row.visitors for row in await self._session.execute(statements.VISITORS[table], values)
        }

    async def rankings(self, parts: Sequence[Part], deep: int) -> list[Ranking]:
        """The products viewed most of each day and week of the parts, at most so many, most first."""
        rows = await self._session.execute(statements.RANKINGS, {**_arrays(parts), "deep": deep})
        return [
            sorted(zip(row.product_ids, row.views, strict=True), key=lambda each: -each[1]) for row in rows
        ]

    async def leaders(self, parts: Sequence[Part], most: int) -> Ranking:
        """The products viewed most, ties by id, with their views."""
        statement, values = statements.leaders_among(parts)
        rows = await self._session.execute(statement, {**values, "most": most})
        return [(row.product_id, int(row.seen)) for row in rows]

    async def products(self, product_ids: Sequence[str], parts: Sequence[Part]) -> list[TopProduct]:
        """These products' counts, in no order and without revenue."""
        values = {**_arrays(parts), "product_ids": list(product_ids)}
        rows = await self._session.execute(statements.SOME_PRODUCTS, values)
        return [TopProduct(row.product_id, _product_counts(row), {}) for row in rows]

    async def product(self, product_id: str, parts: Sequence[Part]) -> dict[int, ProductCounts]:
        """One product's counts by point."""
        values = {**_arrays(parts), "product_ids": [product_id]}
        rows = await self._session.execute(statements.ONE_PRODUCT, values)
        return {row.point: _product_counts(row) for row in rows}

    async def conversions(
        self, periods: Sequence[Period], product_id: str | None = None
    ) -> list[Conversions]:
        """Conversions of each period; of one product where that is given."""
        found = [Conversions() for _ in periods]
        values = {
            "starts": [each.start for each in periods],
            "ends": [each.end for each in periods],
            "product_id": product_id,
        }
        for row in await self._session.execute(statements.CONVERSIONS, values):
            found[row.point - 1].add(row.status, row.currency, row.conversions, row.revenue, row.commission)
        return found

    async def product_revenue(self, period: Period, product_ids: Sequence[str]) -> dict[str, Conversions]:
        """Conversions of the period by product."""
        found: defaultdict[str, Conversions] = defaultdict(Conversions)
        values = {"first": period.start, "beyond": period.end, "product_ids": list(product_ids)}
        for row in await self._session.execute(statements.PRODUCT_REVENUE, values):
            found[row.product_id].add(row.status, row.currency, row.conversions, row.revenue, row.commission)
        return found

    async def funnel(self, period: Period) -> tuple[int, int, int]:
        """Sessions begun in the period that viewed a product, then filled the cart, then bought."""
        row = (
            await self._session.execute(statements.FUNNEL, {"first": period.start, "beyond": period.end})
        ).one()
        return row.viewed, row.carted, row.purchased


def _arrays(parts: Sequence[Part]) -> dict[str, Any]:
    return {
        "spans": [part.span for part in parts],
        "starts": [part.start for part in parts],
        "ends": [part.end for part in parts],
        "points": [part.point for part in parts],
    }


def _product_counts(row: Any) -> ProductCounts:
    return ProductCounts(
        views=row.views,
        add_to_carts=row.add_to_carts,
        purchases=row.purchases,
        clicks=row.human_clicks,
        unique_clicks=row.unique_clicks,
    )
