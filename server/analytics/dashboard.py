"""The use case of the dashboard: a range, by interval and beside the period before. Reads rollups only."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from server.analytics.asking import Question, Questions, RangeAsked
from server.analytics.audiences import MergedSketches, Row, Version, count_audiences
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
from server.analytics.figures import Audience, Counts, Dimension, Overview, TopProduct
from server.analytics.ranges import Period
from server.analytics.repository import Rollups, reading
from server.analytics.spans import Closings, Part
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

    async def warm_up(self) -> None:
        """Ask once for nobody, so that connections and statements are ready for the first caller."""
        await self.read(RangeAsked())

    async def read(self, asked: RangeAsked) -> Dashboard:
        """The dashboard of a range; raises InvalidArgument."""
        question = await self._questions.read(asked)
        # Products are PostgreSQL's work alone: on a connection of their own they cost no time beside the
        # sketches.
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
            overview, previous, *points = await figures.of_periods([whole, before, *intervals])
            sources, devices, countries = [
                await read_dimension(rollups, closings, table, whole)
                for table in (SOURCE_ROLLUPS, DEVICE_ROLLUPS, COUNTRY_ROLLUPS)
            ]
        # Bots are told of the whole range only.
        for point in points:
            point.counts.bot_events = 0
        series = list(zip(intervals, points, strict=True))
        return Dashboard(question, overview, before, previous, (), sources, devices, countries, series)


class _Figures:
    """Overviews of periods, from one snapshot of the rollups."""

    def __init__(self, rollups: Rollups, closings: Closings, merged: MergedSketches) -> None:
        self._rollups = rollups
        self._closings = closings
        self._merged = merged

    async def of_periods(self, periods: Sequence[Period]) -> list[Overview]:
        """Each of them, however they overlap."""
        parts = {table: self._parts(table, periods) for table in (TYPE_ROLLUPS, CLICK_ROLLUPS)}
        counts = await self._rollups.counts(parts)
        audiences = await self._audiences(periods)
        conversions = await self._rollups.conversions(periods)
        return [
            Overview(counts.get(point, Counts()), audiences.get(point, Audience()), earned)
            for point, earned in enumerate(conversions)
        ]

    def _parts(self, table: RollupTable, periods: Sequence[Period]) -> list[Part]:
        return [
            part
            for point, each in enumerate(periods)
            for part in self._closings.parts(each.start, each.end, table.spans, point)
        ]

    async def _audiences(self, periods: Sequence[Period]) -> dict[int, Audience]:
        """What was merged already of periods that are over, by the shop's job or by an earlier answer; and
        the rows of all others."""
        mergeable = self._mergeable(periods)
        known = await self._known(periods, mergeable)
        others = [number for number in range(len(periods)) if number not in known]
        parts = [
            part
            for number in others
            for part in self._closings.parts(
                periods[number].start, periods[number].end, VISITOR_ROLLUPS.spans, number
            )
        ]
        rows = [*known.values(), *await self._rollups.audiences(parts)]
        to_be_kept = mergeable.keys() - known.keys()
        found = await asyncio.to_thread(count_audiences, rows, to_be_kept)
        for number, merged in found.merged.items():
            self._merged.keep(periods[number], mergeable[number], merged)
        return found.of_points

    def _mergeable(self, periods: Sequence[Period]) -> dict[int, Version]:
        """Periods of closed days, more than one: within a day there is little to merge."""
        versions = [self._closings.version(each.start, each.end) for each in periods]
        return {number: found for number, found in enumerate(versions) if found and len(found) > 1}

    async def _known(self, periods: Sequence[Period], mergeable: Mapping[int, Version]) -> dict[int, Row]:
        known: dict[int, Row] = {}
        for number, version in mergeable.items():
            merged = self._merged.find(periods[number], version)
            if merged is not None:
                known[number] = number, *merged
        missing = {periods[number]: number for number in mergeable if number not in known}
        for period, version, merged in await self._rollups.local_audiences(list(missing)):
            if mergeable[missing[period]] == version:
                known[missing[period]] = missing[period], *merged
        return known
