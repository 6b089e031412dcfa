"""Counts are made anew from raw rows, as they were, however often the work is cut short."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from server.analytics.closing import close_days
from server.analytics.rebuild import Kept, RawGone, RebuildGoesOn, rebuild
from tests.contract.analytics_upkeep.conftest import KEPT, Ground, unheard
from tests.contract.analytics_upkeep.shop import (
    DAY_MS,
    counted,
    event,
    some_clicks,
    some_events,
    today,
    write,
)

TABLES = ("event_type_rollups", "event_source_rollups", "event_visitor_rollups", "product_rollups")


class CutShort(Exception):  # noqa: N818 - named for what is so
    """What ends a rebuild in a test."""


async def test_rebuild_that_was_cut_short_goes_on(ground: Ground) -> None:
    """In the end every row of every table is what it was, and no hour is done twice."""
    first, last = today() - 3, today() - 2
    await write(
        ground.dsn,
        list(some_events(600, first * DAY_MS, 2 * DAY_MS)),
        list(some_clicks(150, first * DAY_MS, 2 * DAY_MS)),
    )
    await close_days(ground.postgres, first, last)
    before = await counted(ground.postgres)
    for table in TABLES:
        await ground.postgres.execute(
            f"DELETE FROM {table} WHERE bucket_start < now() - interval '60 hours'"  # noqa: S608
        )
    await ground.postgres.execute("UPDATE link_click_rollups SET human_clicks = 99")
    await ground.postgres.execute("UPDATE click_rollups SET bot_clicks = 99")
    await ground.postgres.execute("UPDATE event_sessions SET first_add_to_cart_at = started_at")

    async def cut_short(done: int, *_: Any) -> None:
        if done == 10:
            raise CutShort

    with pytest.raises(CutShort):
        await rebuild(ground.postgres, first, last, kept=KEPT, on_progress=cut_short)
    done = await rebuild(ground.postgres, first, last, kept=KEPT, on_progress=unheard)
    assert (done.hours, done.closed) == (38, 2)
    assert await counted(ground.postgres) == before
    assert await ground.postgres.fetchval("SELECT count(*) FROM rollup_rebuilds") == 0


async def test_drains_go_on_meanwhile(ground: Ground) -> None:
    """Events that come while their day is rebuilt are counted once, before or after."""
    day = today() - 2
    await write(ground.dsn, list(some_events(100, day * DAY_MS, DAY_MS)))

    async def add(done: int, *_: Any) -> None:
        if done % 6 == 0:
            new = some_events(8, day * DAY_MS, DAY_MS, seed=done)
            await write(ground.dsn, [event(each.occurred_ms, session_id=f"late-{done}") for each in new])

    await rebuild(ground.postgres, day, day, kept=KEPT, on_progress=add)
    await ground.make_live_agree()
    assert await ground.differing() == []


async def test_days_without_their_raw_rows_are_refused(ground: Ground) -> None:
    """Nothing is deleted that could not be counted again; the option that keeps rows longer is named."""
    old = today() - 100
    await write(ground.dsn, [event(old * DAY_MS), event((old + 80) * DAY_MS)])
    before = await counted(ground.postgres)
    with pytest.raises(RawGone, match="MILLRACE_EVENT_RETENTION_DAYS=90"):
        await rebuild(ground.postgres, old, old + 80, kept=KEPT, on_progress=unheard)
    assert await counted(ground.postgres) == before
    await rebuild(ground.postgres, old, old, kept=Kept(300, 400), on_progress=unheard)


async def test_only_one_rebuild_at_a_time(ground: Ground) -> None:
    """The second one is told of the first."""

    async def another(*_: Any) -> None:
        second = await asyncpg.connect(ground.dsn)
        try:
            await rebuild(second, today(), today(), kept=KEPT, on_progress=unheard)
        finally:
            await second.close()

    with pytest.raises(RebuildGoesOn):
        await rebuild(ground.postgres, today(), today(), kept=KEPT, on_progress=another)
