"""Sources, devices and countries of a range with their visitors. Merged, never summed."""

from __future__ import annotations

import asyncio

from server.analytics.event_columns import RollupTable
from server.analytics.figures import Dimension
from server.analytics.ranges import Period
from server.analytics.repository import Rollups
from server.analytics.sketches import DIMENSION_LG_K, distinct
from server.analytics.spans import Closings


async def read_dimension(
    rollups: Rollups, closings: Closings, table: RollupTable, period: Period
) -> list[Dimension]:
    """The names with most page views, each with its visitors."""
    parts = closings.parts(period.start, period.end, table.spans)
    rows = await rollups.names(table, parts)
    sketches = await rollups.visitors(table, parts, [row.name for row in rows])
    visitors_of = await asyncio.to_thread(
        lambda: {name: distinct(DIMENSION_LG_K, kept) for name, kept in sketches.items()}
    )
    return [Dimension(row.name, row.page_views, row.events, visitors_of.get(row.name, 0)) for row in rows]
