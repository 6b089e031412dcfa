"""Sources, devices and countries of a range with their visitors. Merged, never summed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from server.analytics.audiences import MergedSketches
from server.analytics.event_columns import QUARTER_MINUTES, RollupTable
from server.analytics.figures import Dimension
from server.analytics.ranges import Period
from server.analytics.repository import Rollups
from server.analytics.sketches import DIMENSION_LG_K, distinct, merged
from server.analytics.spans import Closings, Part

Sketches = dict[str, list[bytes]]


async def read_dimension(
    rollups: Rollups, closings: Closings, table: RollupTable, period: Period, known: MergedSketches
) -> list[Dimension]:
    """The names with most page views. Of closed days each name's sketch is made once, then `known`."""
    parts = closings.parts(period.start, period.end, table.spans)
    rows = await rollups.names(table, parts)
    names = [row.name for row in rows]
    sketches: Sketches = {name: [] for name in names}
    running = [part for part in parts if part.span == QUARTER_MINUTES]
    for name, visitors in await rollups.visitors(table, running, names):
        sketches[name].append(visitors)
    for part in parts:
        if part.span != QUARTER_MINUTES:
            for name, visitors in (await _closed(rollups, closings, table, part, names, known)).items():
                sketches[name].append(visitors)
    visitors_of = await asyncio.to_thread(
        lambda: {name: distinct(DIMENSION_LG_K, kept) for name, kept in sketches.items()}
    )
    return [Dimension(row.name, row.page_views, row.events, visitors_of[row.name]) for row in rows]


async def _closed(  # noqa: PLR0917 - a question and where its answer may be known
    rollups: Rollups,
    closings: Closings,
    table: RollupTable,
    part: Part,
    names: Sequence[str],
    known: MergedSketches,
) -> Mapping[str, bytes]:
    """One sketch for each of the names, of days that are closed."""
    version = closings.version(part.start, part.end)
    found: dict[str, bytes] = {}
    missing: Sketches = {}
    for name in names:
        kept = None if version is None else known.find((table.name, name, part.start, part.end), version)
        if kept is None or kept[0] is None:
            missing[name] = []
        else:
            found[name] = kept[0]
    for name, visitors in await rollups.visitors(table, [part], list(missing)):
        missing[name].append(visitors)
    made = await asyncio.to_thread(
        lambda: {name: merged(DIMENSION_LG_K, kept) for name, kept in missing.items()}
    )
    if version is not None:
        for name, sketch in made.items():
            known.keep((table.name, name, part.start, part.end), version, (sketch, None))
    return {**found, **made}
