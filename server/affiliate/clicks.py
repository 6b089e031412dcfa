"""Clicks as rows: the raw table, its rollups, and what statistics ask of the rollups.

Nothing here writes them; the drain does. Days' partitions are the matter of `server.db.day_partitions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Index,
    Label,
    LargeBinary,
    Table,
    Text,
    Uuid,
    cast,
    func,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession

from server.affiliate.click_columns import (
    CLICKS,
    LINK_CLICK_ROLLUPS,
    ROLLUP_BUCKET_SECONDS,
)
from server.db.metadata import Base

BUCKET = timedelta(seconds=ROLLUP_BUCKET_SECONDS)

# One partition per UTC day of the UUIDv7 click id, so that a repeated click always meets its first copy.
clicks = Table(
    CLICKS,
    Base.metadata,
    Column("click_id", Uuid, primary_key=True),
    Column("link_id", Uuid, nullable=False),
    Column("partner_id", Uuid, nullable=False),
    Column("clicked_at", DateTime(timezone=True), nullable=False),
    Column("is_human", Boolean, nullable=False),
    # The first click of this visitor on this link within 24 hours; never true of a bot's.
    Column("is_unique", Boolean, nullable=False),
    Column("visitor", LargeBinary, nullable=False),
    Column("country", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("product_id", Text),
    Column("referrer_host", Text),
    postgresql_partition_by="RANGE (click_id)",
)

# The current quarter hour's rows change with every batch: room on the page keeps that off the index.
link_click_rollups = Table(
    LINK_CLICK_ROLLUPS,
    Base.metadata,
    Column("link_id", Uuid, primary_key=True),
    Column("bucket_start", DateTime(timezone=True), primary_key=True),
    Column("human_clicks", BigInteger, nullable=False),
    Column("unique_clicks", BigInteger, nullable=False),
    Column("bot_clicks", BigInteger, nullable=False),
    Index("ix_link_click_rollups_bucket_start", "bucket_start", postgresql_using="brin"),
    postgresql_with={"fillfactor": 70},
)


@dataclass(frozen=True, slots=True)
class ClickTotals:
    """How many clicks: of people, of people for the first time in 24 hours, of bots."""

    human: int
    unique: int
    bot: int


@dataclass(frozen=True, slots=True)
class DayClicks:
    """The clicks of one day of the asked time zone."""

    day: date
    human: int
    unique: int
    bot: int


def bucket_floor(at: datetime) -> datetime:
    """The start of the quarter hour that holds `at`."""
    seconds = int(at.timestamp()) // ROLLUP_BUCKET_SECONDS * ROLLUP_BUCKET_SECONDS
    return datetime.fromtimestamp(seconds, at.tzinfo)


def bucket_ceiling(at: datetime) -> datetime:
    """The first start of a quarter hour at or after `at`."""
    floor = bucket_floor(at)
    return floor if floor == at else floor + BUCKET


async def click_totals(
    session: AsyncSession, link_id: UUID, start: datetime | None, end: datetime | None
) -> ClickTotals:
    """Clicks of a link in whole quarter hours: `start` is rounded down, `end` up, None is open.

    Both bounds must carry a zone. A link without clicks has zeros.
    """
    row = (await session.execute(select(*_sums()).where(*_within(link_id, start, end)))).one()
    return ClickTotals(row.human, row.unique, row.bot)


async def click_series_by_day(
    session: AsyncSession, link_id: UUID, start: datetime | None, end: datetime | None, time_zone: str
) -> Sequence[DayClicks]:
    """The same clicks by day of `time_zone` (an IANA name), oldest first; days without clicks are left out.

    Days of 23 and 25 hours come out right. An unknown zone is PostgreSQL's error.
    """
    local_start = func.timezone(time_zone, link_click_rollups.c.bucket_start)
    day = cast(local_start, Date).label("day")
    query = select(day, *_sums()).where(*_within(link_id, start, end)).group_by(day).order_by(day)
    return [DayClicks(row.day, row.human, row.unique, row.bot) for row in await session.execute(query)]


def _sums() -> list[Label[int]]:
    columns = link_click_rollups.c
    named = {"human": columns.human_clicks, "unique": columns.unique_clicks, "bot": columns.bot_clicks}
    return [cast(func.coalesce(func.sum(each), 0), BigInteger).label(name) for name, each in named.items()]


def _within(link_id: UUID, start: datetime | None, end: datetime | None) -> list[ColumnElement[bool]]:
    columns = link_click_rollups.c
    conditions: list[ColumnElement[bool]] = [columns.link_id == link_id]
    if start is not None:
        conditions.append(columns.bucket_start >= bucket_floor(start))
    if end is not None:
        conditions.append(columns.bucket_start < bucket_ceiling(end))
    return conditions
