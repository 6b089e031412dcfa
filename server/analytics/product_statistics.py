"""The use case of one product's figures within a range. Reads rollups only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.analytics.asking import Question, Questions, RangeAsked
from server.analytics.event_columns import PRODUCT_ROLLUPS
from server.analytics.figures import (
    ProductCounts,
    ProductOverview,
    total_conversions,
    total_product_counts,
)
from server.analytics.ranges import Period
from server.analytics.repository import reading
from server.db.engine import Sessions


@dataclass(frozen=True, slots=True)
class ProductStatistics:
    """A product within a range, and by interval."""

    question: Question
    product_id: str
    overview: ProductOverview
    series: Sequence[tuple[Period, ProductOverview]]


class ProductStatisticsService:
    """Constructor: the session factory, and what reads ranges."""

    def __init__(self, sessions: Sessions, *, questions: Questions) -> None:
        self._sessions = sessions
        self._questions = questions

    async def read(self, product_id: str, asked: RangeAsked) -> ProductStatistics:
        """The product's figures, zeros where there are none; raises InvalidArgument."""
        question = await self._questions.read(asked)
        start, end, intervals = question.range.start, question.range.end, question.range.intervals()
        async with reading(self._sessions) as rollups:
            closings = await rollups.closings(start, end)
            parts = [
                part
                for point, each in enumerate(intervals)
                for part in closings.parts(each.start, each.end, PRODUCT_ROLLUPS.spans, point)
            ]
            counts = await rollups.product(product_id, parts)
            conversions = await rollups.conversions(intervals, product_id)
        points = [
            ProductOverview(counts.get(point, ProductCounts()), earned)
            for point, earned in enumerate(conversions)
        ]
        overview = ProductOverview(total_product_counts(counts.values()), total_conversions(conversions))
        return ProductStatistics(question, product_id, overview, list(zip(intervals, points, strict=True)))
