"""Days and weeks are summed up once they are over, and again after a late event; never half."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from server.analytics import closing
from server.analytics.closing import close_days
from server.analytics.counting import CountedEvent, apply, lock_days, monday_of, tally_events
from server.analytics.sketches import SHOP_LG_K, distinct
from server.analytics.tasks import CLOSE_ROLLUPS, ERASE, Erasure, EventUpkeep
from server.analytics.utc_days import start_of
from tests.contract.analytics_upkeep.conftest import Ground
from tests.contract.analytics_upkeep.shop import DAY_MS, event, some_clicks, some_events, today, write
from tests.contract.worker_tasks.conftest import Turn


def late(day: int) -> CountedEvent:
    """A page view of that day's noon."""
    return CountedEvent("page_view", day * DAY_MS + DAY_MS // 2, True, "s", "u", None, "news", "tablet", "SE")


async def markers(postgres: asyncpg.Connection) -> set[tuple[int, int]]:
    """Minutes and first day of each span that is closed."""
    rows = await postgres.fetch(
        "SELECT span_minutes, (extract(epoch FROM bucket_start) / 86400)::int FROM rollup_closings"
    )
    return {(row[0], row[1]) for row in rows}


async def local_days(postgres: asyncpg.Connection) -> dict[datetime, tuple[list[datetime], int]]:
    """By start: when the days they were merged from were closed, and how many visitors they had."""
    rows = await postgres.fetch(
        "SELECT starts_at, closed_at, visitors FROM event_local_days ORDER BY starts_at"
    )
    return {row[0]: (row[1], distinct(SHOP_LG_K, [row[2]])) for row in rows}


async def of_day(postgres: asyncpg.Connection, day: int, span: int) -> tuple[int, int]:
    """Tablet page views, and days' rows of the device table, of a span beginning with the day."""
    row = await postgres.fetchrow(
        "SELECT coalesce(sum(page_views) FILTER (WHERE device = 'tablet'), 0)::int, count(*) "
        "FROM event_device_rollups WHERE span_minutes = $1 AND bucket_start = $2",
        span,
        start_of(day),
    )
    return row[0], row[1]


async def test_days_and_weeks_that_are_over_are_closed(turn: Turn, ground: Ground) -> None:
    """Every such day from the first with counts on, and each whole week; not today, and no day twice."""
    monday = monday_of(today()) - 14
    days = [monday, monday + 2, monday + 6, today()]
    for day in days:
        await write(
            ground.dsn,
            list(some_events(20, day * DAY_MS, 3_600_000)),
            list(some_clicks(5, day * DAY_MS, 3_600_000)),
        )
    assert await turn.run(CLOSE_ROLLUPS, EventUpkeep()) == {"closed": today() - monday, "left": 0}
    weeks = range(monday, monday_of(today()), 7)
    expected = {(1440, day) for day in range(monday, today())} | {(10_080, week) for week in weeks}
    assert await markers(ground.postgres) == expected
    assert await turn.run(CLOSE_ROLLUPS, EventUpkeep()) == {"closed": 0, "left": 0}


async def test_days_of_the_shops_zone_are_merged_anew_when_they_change(turn: Turn, ground: Ground) -> None:
    """Berlin's day of a late event is found with it after the next run; others are left alone."""
    await ground.postgres.execute("UPDATE affiliate_program SET time_zone = 'Europe/Berlin'")
    day = today() - 4
    for number in range(4):
        await write(ground.dsn, [event((day + number) * DAY_MS + 43_200_000, session_id=f"s-{number}")])
    await turn.run(CLOSE_ROLLUPS, EventUpkeep())
    before = await local_days(ground.postgres)
    assert [visitors for _, visitors in before.values()] == [1, 1, 1]
    await write(ground.dsn, [event((day + 1) * DAY_MS + 43_200_000, session_id="late")])
    await turn.run(CLOSE_ROLLUPS, EventUpkeep())
    after = await local_days(ground.postgres)
    assert [visitors for _, visitors in after.values()] == [2, 1, 1]
    assert [after[start] == before[start] for start in sorted(before)] == [False, False, True]


async def test_late_event_opens_its_day_and_week(ground: Ground) -> None:
    """Both are summed up again with it, and their neighbours stay closed."""
    monday = monday_of(today()) - 14
    for day in (monday, monday + 1, monday + 8):
        await write(ground.dsn, [event(day * DAY_MS + 5)])
    await close_days(ground.postgres, monday, today())
    before = await markers(ground.postgres)
    await write(ground.dsn, [event(monday * DAY_MS + 6, device="tablet")])
    assert before - await markers(ground.postgres) == {(1440, monday), (10_080, monday)}
    assert await close_days(ground.postgres, monday, today()) == 1
    assert await markers(ground.postgres) == before
    assert await of_day(ground.postgres, monday, 1440) == (1, 2)


async def test_closing_waits_for_a_writer_and_counts_what_it_wrote(ground: Ground) -> None:
    """A drain that is in the middle of a day is let finish; the sums hold what it committed."""
    day = today() - 3
    await write(ground.dsn, [event(day * DAY_MS)])
    writer = await asyncpg.connect(ground.dsn)
    async with writer.transaction():
        await lock_days(writer, [day])
        closed = asyncio.create_task(close_days(ground.postgres, day, day))
        async with asyncio.timeout(10):
            while not await writer.fetchval(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            ):
                await asyncio.sleep(0.01)
        await apply(writer, tally_events([late(day)]))
    assert await closed == 1
    assert await of_day(ground.postgres, day, 1440) == (1, 2)
    await writer.close()


async def test_day_in_use_is_closed_by_a_later_run(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that does not end is not waited for; the day stays open, the others are closed."""
    monkeypatch.setattr(closing, "PATIENCE", "200ms")
    days = [today() - 4, today() - 3]
    for day in days:
        await write(ground.dsn, [event(day * DAY_MS)])
    writer = await asyncpg.connect(ground.dsn)
    async with writer.transaction():
        await lock_days(writer, days[:1])
        assert await close_days(ground.postgres, *days) == 1
        assert {day for span, day in await markers(ground.postgres) if span == 1440} == {days[1]}
    await writer.close()
    assert await close_days(ground.postgres, *days) == 1


async def test_day_of_which_nothing_is_left_is_summed_up_again(turn: Turn, ground: Ground) -> None:
    """Its rows of longer spans go too, and its week no longer holds what it was."""
    monday = monday_of(today()) - 14
    for day, session in ((monday, "gone"), (monday + 1, "stays")):
        await write(
            ground.dsn, [event(day * DAY_MS, type="product_view", product_id="lamp", session_id=session)]
        )
    await turn.run(CLOSE_ROLLUPS, EventUpkeep())
    await turn.run(ERASE, Erasure(datetime.now(UTC) - timedelta(minutes=1), session_id="gone"))
    assert await turn.run(CLOSE_ROLLUPS, EventUpkeep()) == {"closed": 1, "left": 0}
    assert await of_day(ground.postgres, monday, 1440) == (0, 0)
    rows = await ground.postgres.fetch("SELECT views FROM product_rollups WHERE span_minutes = 10080")
    assert [row[0] for row in rows] == [1]
    assert (10_080, monday) in await markers(ground.postgres)
    assert await turn.run(CLOSE_ROLLUPS, EventUpkeep()) == {"closed": 0, "left": 0}


async def test_nothing_is_due_in_an_empty_shop(ground: Ground) -> None:
    """Nor is any day before the first one that has counts."""
    assert await closing.days_due(ground.postgres) == []
    await write(ground.dsn, [event((today() - 3) * DAY_MS)])
    assert await closing.days_due(ground.postgres, 0) == [today() - 3]
