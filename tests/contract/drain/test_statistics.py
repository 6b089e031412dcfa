"""What the statistics of a link say of the rollups: whole quarter hours, days of any time zone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.affiliate.clicks import (
    ClickTotals,
    DayClicks,
    click_series_by_day,
    click_totals,
    link_click_rollups,
)
from server.db.engine import make_engine, make_sessions

LINK = uuid4()


@pytest.fixture
async def session(postgres_dsn: str) -> AsyncIterator[AsyncSession]:
    engine = make_engine(postgres_dsn)
    async with make_sessions(engine)() as session:
        yield session
    await engine.dispose()


async def roll_up(session: AsyncSession, *starts: datetime, link_id: UUID = LINK) -> None:
    """One human, two unique and four bot clicks in each quarter hour: sums tell which were taken."""
    await session.execute(
        insert(link_click_rollups),
        [
            {"link_id": link_id, "bucket_start": each, "human_clicks": 1, "unique_clicks": 2, "bot_clicks": 4}
            for each in starts
        ],
    )


async def test_no_clicks(session: AsyncSession) -> None:
    """A link that nobody visited has zeros and no days."""
    assert await click_totals(session, LINK, None, None) == ClickTotals(0, 0, 0)
    assert await click_series_by_day(session, LINK, None, None, "UTC") == []


async def test_bounds_are_rounded_outwards(session: AsyncSession) -> None:
    """The quarter hours that hold the bounds count; the one that begins at the end does not."""
    quarters = [datetime(2026, 3, 1, 10, minute, tzinfo=UTC) for minute in (0, 15, 30, 45)]
    await roll_up(session, *quarters)
    await roll_up(session, *quarters, link_id=uuid4())
    inside = datetime(2026, 3, 1, 10, 16, tzinfo=UTC), datetime(2026, 3, 1, 10, 31, tzinfo=UTC)
    assert await click_totals(session, LINK, *inside) == ClickTotals(2, 4, 8)
    assert await click_totals(session, LINK, quarters[1], quarters[2]) == ClickTotals(1, 2, 4)
    assert await click_totals(session, LINK, None, None) == ClickTotals(4, 8, 16)


@pytest.mark.parametrize(
    ("zone", "day_start", "next_day_start"),
    [
        ("Europe/Berlin", datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC)),
        (
            "Asia/Kathmandu",
            datetime(2026, 5, 1, 18, 15, tzinfo=UTC),
            datetime(2026, 5, 2, 18, 15, tzinfo=UTC),
        ),
    ],
)
async def test_days_of_a_zone(
    session: AsyncSession, zone: str, day_start: datetime, next_day_start: datetime
) -> None:
    """Days of 23 and 25 hours, and days that begin at a quarter past, hold exactly their quarter hours."""
    last = next_day_start.timestamp() - 900
    await roll_up(session, day_start, datetime.fromtimestamp(last, UTC), next_day_start)
    days = await click_series_by_day(session, LINK, None, None, zone)
    first = (day_start.astimezone(UTC)).date().toordinal() + 1
    assert days == [
        DayClicks(date.fromordinal(first), 2, 4, 8),
        DayClicks(date.fromordinal(first + 1), 1, 2, 4),
    ]
