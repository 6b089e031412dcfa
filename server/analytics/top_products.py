"""The products viewed most within a range, exactly, without adding up every product.

Who leads each closed day and week is read from the end of an index. A product that leads in none of them has
at most as many views as the last leaders of all together: only when that might be enough, all are added up,
and what the closed days come to is remembered.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from typing import Final

from server.analytics.event_columns import PRODUCT_ROLLUPS, QUARTER_MINUTES
from server.analytics.figures import TopProduct
from server.analytics.ranges import Period
from server.analytics.repository import Ranking, Rollups
from server.analytics.spans import Closings, Part

MOST_PRODUCTS: Final = 10

# So many leaders of each day, week and the running day. More cost little; fewer tell less.
_DEEP: Final = 100
# Where products are viewed nearly alike, so many times more leaders of all closed days tell.
_DEEPER: Final = 10
_REMEMBERED_RANGES: Final = 64


class TopProducts:
    """Constructor: how many leaders of each day and week are looked at."""

    def __init__(self, deep: int = _DEEP) -> None:
        self._deep = deep
        self._sums: OrderedDict[object, Ranking] = OrderedDict()

    async def read(self, rollups: Rollups, closings: Closings, period: Period) -> list[TopProduct]:
        """At most MOST_PRODUCTS, ties by id; without revenue."""
        parts = closings.parts(period.start, period.end, PRODUCT_ROLLUPS.spans)
        running = [part for part in parts if part.span == QUARTER_MINUTES]
        closed = [part for part in parts if part.span != QUARTER_MINUTES]
        deeper = self._deep * _DEEPER
        latest = await rollups.leaders(running, deeper) if running else []
        rankings = await rollups.rankings(closed, self._deep) if closed else []
        chosen = contenders([*rankings, latest[: self._deep]], MOST_PRODUCTS, self._deep)
        if chosen is None:
            sums = await self._sums_of(rollups, closings, closed, deeper)
            chosen = contenders([sums, latest], MOST_PRODUCTS, deeper)
        if chosen is None:
            chosen = [product_id for product_id, _ in await rollups.leaders(parts, MOST_PRODUCTS)]
        found = await rollups.products(chosen, parts) if chosen else []
        return sorted(found, key=lambda each: (-each.counts.views, each.product_id))[:MOST_PRODUCTS]

    async def _sums_of(
        self, rollups: Rollups, closings: Closings, closed: Sequence[Part], most: int
    ) -> Ranking:
        """Who leads in all closed days together; added up once, and again when one was closed anew."""
        if not closed:
            return []
        versions = tuple(closings.version(part.start, part.end) for part in closed)
        key = tuple(closed), versions
        sums = self._sums.get(key)
        if sums is None:
            sums = await rollups.leaders(closed, most)
        if None not in versions:
            self._sums[key] = sums
            self._sums.move_to_end(key)
        while len(self._sums) > _REMEMBERED_RANGES:
            self._sums.popitem(last=False)
        return sums


def contenders(rankings: Sequence[Ranking], most: int, deep: int) -> list[str] | None:
    """Products among which are the `most` with the highest sums; None when the rankings cannot tell.

    Each ranking holds the products with most views of one part of the time, `deep` of them or else all.
    """
    limits = [ranking[-1][1] if len(ranking) == deep else 0 for ranking in rankings]
    unseen = sum(limits)
    at_least: defaultdict[str, int] = defaultdict(int)
    at_most: defaultdict[str, int] = defaultdict(lambda: unseen)
    for ranking, limit in zip(rankings, limits, strict=True):
        for product_id, views in ranking:
            at_least[product_id] += views
            at_most[product_id] += views - limit
    if all(len(ranking) < deep for ranking in rankings) and len(at_least) <= most:
        return list(at_least)
    bar = sorted(at_least.values(), reverse=True)[most - 1] if len(at_least) >= most else 0
    # Ties go by id, so one that was not seen could be ahead with as many views.
    if unseen >= bar and any(len(ranking) == deep for ranking in rankings):
        return None
    return [product_id for product_id, views in at_most.items() if views >= bar]
