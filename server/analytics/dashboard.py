"""The use case of the dashboard: a range, by interval and beside the period before. Reads rollups only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from server.analytics.asking import Question, Questions, RangeAsked
from server.analytics.audiences import (
    Audiences,
    MergedSketches,
    Row,
    Version,
    count_audiences,
)
from server.analytics.dimensions import read_dimension
from server.analytics.event_columns import (
    CLICK_ROLLUPS,
    COUNTRY_ROLLUPS,
    DEVICE_ROLLUPS,
    SOURCE_ROLLUPS,
    TYPE_ROLLUPS,
    VISITOR_ROLLUPS,
    RollupTable,
)
from server.analytics.figures import (
    Audience,
    Counts,
    Dimension,
    Overview,
    TopProduct,
    total_conversions,
    total_counts,
)
from server.analytics.ranges import Period
from server.analytics.repository import Rollups, reading
from server.analytics.spans import Closings, Part, rows_in
from server.analytics.top_products import TopProducts
from server.db.engine import Sessions


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Everything about a range."""

    question: Question
    overview: Overview
    previous_period: Period
    previous: Overview
    top_products: Sequence[TopProduct]
    sources: Sequence[Dimension]
    devices: Sequence[Dimension]
    countries: Sequence[Dimension]
    series: Sequence[tuple[Period, Overview]]


class DashboardService:
    """Constructor: the session factory, and what reads ranges."""

    def __init__(self, sessions: Sessions, *, questions: Questions) -> None:
        self._sessions = sessions
        self._questions = questions
        self._merged = MergedSketches()
        self._leading = TopProducts()
        self._merged_dimensions = MergedSketches()

    async def read(self, asked: RangeAsked) -> Dashboard:
        """The dashboard of a range; raises InvalidArgument."""
        question = await self._questions.read(asked)
        # Products are a quarter of all work, and PostgreSQL's alone: on a connection of their own they cost
        # no time beside the sketches.
        async with asyncio.TaskGroup() as both:
            products = both.create_task(self._top_products(question))
            rest = both.create_task(self._without_products(question))
        return replace(rest.result(), top_products=products.result())

    async def _top_products(self, question: Question) -> list[TopProduct]:
        whole = Period(question.range.start, question.range.end)
        async with reading(self._sessions) as rollups:
            closings = await rollups.closings(whole.start, whole.end)
            products = await self._leading.read(rollups, closings, whole)
            sold = await rollups.product_revenue(whole, [each.product_id for each in products])
        return [
            replace(each, revenue=sold[each.product_id].revenue) if each.product_id in sold else each
            for each in products
        ]

    async def _without_products(self, question: Question) -> Dashboard:
        whole = Period(question.range.start, question.range.end)
        before, intervals = question.range.previous(), question.range.intervals()
        async with reading(self._sessions) as rollups:
            closings = await rollups.closings(before.start, whole.end)
            figures = _Figures(rollups, closings, self._merged)
            previous = await figures.of_period(before)
            points, overview = await figures.of_intervals(intervals, whole)
            sources, devices, countries = [
                await read_dimension(rollups, closings, table, whole, self._merged_dimensions)
                for table in (SOURCE_ROLLUPS, DEVICE_ROLLUPS, COUNTRY_ROLLUPS)
            ]
        series = list(zip(intervals, points, strict=True))
        return Dashboard(question, overview, before, previous, (), sources, devices, countries, series)


class _Figures:
    """Overviews of periods, from one snapshot of the rollups."""

    def __init__(self, rollups: Rollups, closings: Closings, merged: MergedSketches) -> None:
        self._rollups = rollups
        self._closings = closings
        self._merged = merged

    async def of_period(self, period: Period) -> Overview:
        """One period as a whole."""
        _, overview = await self.of_intervals([period], period)
        return overview

    async def of_intervals(
        self, intervals: Sequence[Period], whole: Period
    ) -> tuple[list[Overview], Overview]:
        """Each interval, without bots' events, and all of them together."""
        cut = self._cutter(intervals)
        counts = await self._rollups.counts({table: cut(table) for table in (TYPE_ROLLUPS, CLICK_ROLLUPS)})
        audiences = await self._audiences(intervals)
        conversions = await self._rollups.conversions(intervals)
        points = [
            Overview(counts.get(point, Counts()), audiences.of_points.get(point, Audience()), earned)
            for point, earned in enumerate(conversions)
        ]
        total = total_counts(counts.values())
        total.bot_events = await self._bot_events(whole)
        return points, Overview(total, audiences.together, total_conversions(conversions))

    def _cutter(self, intervals: Sequence[Period]) -> Callable[[RollupTable], list[Part]]:
        def cut(table: RollupTable) -> list[Part]:
            return [
                part
                for point, each in enumerate(intervals)
                for part in self._closings.parts(each.start, each.end, table.spans, point)
            ]

        return cut

    async def _audiences(self, intervals: Sequence[Period]) -> Audiences:
        known: list[Row] = []
        parts: list[Part] = []
        versions: dict[int, Version] = {}
        for point, each in enumerate(intervals):
            version = self._closings.version(each.start, each.end)
            kept = None if version is None else self._merged.find(each, version)
            if kept is not None:
                known.append((point, *kept))
                continue
            own = self._closings.parts(each.start, each.end, VISITOR_ROLLUPS.spans, point)
            parts += own
            # One row is as good as itself.
            if version is not None and rows_in(own) > 1:
                versions[point] = version
        rows = await self._rollups.audiences(parts)
        found = await asyncio.to_thread(count_audiences, known + rows, versions)
        for point, merged in found.merged.items():
            self._merged.keep(intervals[point], versions[point], merged)
        return found

    async def _bot_events(self, whole: Period) -> int:
        parts = self._closings.parts(whole.start, whole.end, TYPE_ROLLUPS.spans)
        return sum((await self._rollups.bot_events(parts)).values())
