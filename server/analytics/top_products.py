"""The products viewed most within a range, exactly, without adding up every product each time.

Who led in the days that are closed is found once and remembered. What has happened since can lift a product
by no more than the most that any product got since: only those near the top are looked at again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from server.analytics.event_columns import PRODUCT_ROLLUPS, QUARTER_MINUTES
from server.analytics.figures import TopProduct
from server.analytics.ranges import Period
from server.analytics.repository import Rollups
from server.analytics.spans import Closings, Part

MOST_PRODUCTS: Final = 10

_REMEMBERED_RANGES: Final = 64

# Product and views, most first; ties by id.
Leaders = Sequence[tuple[str, int]]


class TopProducts:
    """Constructor: how many leaders of a range of closed days are remembered."""

    def __init__(self, most_leaders: int = 1_000) -> None:
        self._most_leaders = most_leaders
        self._known: OrderedDict[object, Leaders] = OrderedDict()

    async def read(self, rollups: Rollups, closings: Closings, period: Period) -> list[TopProduct]:
        """At most MOST_PRODUCTS, ties by id; without revenue."""
        parts = closings.parts(period.start, period.end, PRODUCT_ROLLUPS.spans)
        running = [part for part in parts if part.span == QUARTER_MINUTES]
        closed = [part for part in parts if part.span != QUARTER_MINUTES]
        near = await self._near_the_top(rollups, closings, closed, running)
        if near is None:
            near = [product_id for product_id, _ in await rollups.leaders(parts, MOST_PRODUCTS)]
        found = await rollups.products(near, parts) if near else []
        return sorted(found, key=lambda each: (-each.counts.views, each.product_id))[:MOST_PRODUCTS]

    async def _near_the_top(
        self, rollups: Rollups, closings: Closings, closed: Sequence[Part], running: Sequence[Part]
    ) -> list[str] | None:
        """Products among which those viewed most are; None when only adding up all of them can tell."""
        leaders = await self._leaders(rollups, closings, closed)
        if leaders is None or len(leaders) < MOST_PRODUCTS:
            return None
        [(_, lift)] = (await rollups.leaders(running, 1) if running else []) or [("", 0)]
        tenth = leaders[MOST_PRODUCTS - 1][1]
        last = leaders[-1][1] if len(leaders) == self._most_leaders else 0
        if last + lift >= tenth:
            return None
        return [product_id for product_id, views in leaders if views + lift >= tenth]

    async def _leaders(self, rollups: Rollups, closings: Closings, closed: Sequence[Part]) -> Leaders | None:
        """Who led in the closed days; None when there are none, or some of them had no counts at all."""
        versions = [closings.version(part.start, part.end) for part in closed]
        if not closed or None in versions:
            return None
        key = (tuple(closed), tuple(versions))
        leaders = self._known.get(key)
        if leaders is None:
            leaders = self._known[key] = await rollups.leaders(closed, self._most_leaders)
        self._known.move_to_end(key)
        while len(self._known) > _REMEMBERED_RANGES:
            self._known.popitem(last=False)
        return leaders
