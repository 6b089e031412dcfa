"""Raw events and clicks by the day on which they occurred: where they are, and since when all are kept.

Partitions follow the time inside the ids, which may differ from when an event occurred; so may the days that
retention took.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import asyncpg

from millrace.streams.ids import id_text
from server.analytics.event_columns import CLICK_ROLLUPS, EVENTS, QUARTER_MINUTES, TYPE_ROLLUPS, RollupTable
from server.analytics.utc_days import EPOCH, day_of, start_of
from server.db.day_partitions import days_before, partition_name


class RawTable(NamedTuple):
    """A table of raw rows, a partition a day. `reach`: between when a row occurred and its id, at most.

    `counted_in` holds counts of every row, and holds them for longer.
    """

    name: str
    id: str
    at: str
    reach: datetime.timedelta
    counted_in: RollupTable


# A client's own id and the time it gives lie within thirty days before receipt, and a day after.
RAW_EVENTS: Final = RawTable(EVENTS, "event_id", "occurred_at", datetime.timedelta(days=32), TYPE_ROLLUPS)
# The affiliate's table, read as it is; analytics writes none of it. Both times are the edge's own.
RAW_CLICKS: Final = RawTable("clicks", "click_id", "clicked_at", datetime.timedelta(hours=1), CLICK_ROLLUPS)

_NOW: Final = "SELECT clock_timestamp()"
_EVER: Final = 10**6
_SUM_UP_PAGES: Final = """
    SELECT brin_summarize_new_values(indexrelid)
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam
    WHERE indrelid = to_regclass($1::text) AND amname = 'brin'
"""


class RawDays(NamedTuple):
    """Days since 1970, both included: on which rows may have occurred, with all of them still there.

    `first_whole` is where that begins for want of older rows; empty when `first` is later than `last`.
    """

    first: int
    last: int
    left_out: int

    def days(self) -> range:
        """All of them, oldest first."""
        return range(self.first, self.last + 1)


async def today(connection: Any) -> int:
    """The UTC day by PostgreSQL's clock."""
    return day_of(await connection.fetchval(_NOW))


async def whole_since(connection: Any, raw: RawTable, *, keep_days: int) -> int | None:
    """The first day of which retention took no row; None when it never took any."""
    first_kept = await today(connection) - keep_days
    first_counted = await _first_counted(connection, raw)
    if first_counted is None or first_counted >= first_kept:
        return None
    return first_kept + raw.reach.days + 1


async def raw_days(connection: Any, raw: RawTable, *, keep_days: int) -> RawDays:
    """Which days can be compared with what was counted of them. `keep_days`: retention's."""
    last = await today(connection) + 1
    first = first_counted = await _first_counted(connection, raw)
    # Rows that nobody counted are what is looked for.
    before = start_of(last + 1 if first is None else first)
    earliest = await connection.fetchval(
        f"SELECT min({raw.at}) FROM {raw.name} WHERE {raw.at} < $1 AND {raw.id} < $2::text::uuid",  # noqa: S608
        before,
        _first_id_at(before + raw.reach),
    )
    first = first if earliest is None else day_of(earliest)
    if first is None:
        return RawDays(last + 1, last, 0)
    whole = await whole_since(connection, raw, keep_days=keep_days)
    if whole is None or whole <= first:
        return RawDays(first, last, 0)
    return RawDays(whole, last, whole - (first if first_counted is None else first_counted))


async def partition_days(connection: Any, raw: RawTable) -> list[int]:
    """The days that have a partition, oldest first."""
    return await days_before(connection, raw.name, _EVER)


def occurred_within(raw: RawTable) -> str:
    """A condition with four parameters, which `bounds` gives, for rows that occurred between two instants."""
    return f"{raw.at} >= $1 AND {raw.at} < $2 AND {raw.id} >= $3::text::uuid AND {raw.id} < $4::text::uuid"


def bounds(raw: RawTable, start: Any, end: Any) -> tuple[Any, ...]:
    """The parameters of `occurred_within`; both are instants, the second one is excluded."""
    return start, end, _first_id_at(start - raw.reach), _first_id_at(end + raw.reach)


def first_id(day: int) -> str:
    """The least UUIDv7 that a day can have."""
    return _first_id_at(start_of(day))


def _first_id_at(instant: datetime.datetime) -> str:
    at_ms = (instant - EPOCH) // datetime.timedelta(milliseconds=1)
    return id_text(max(at_ms, 0).to_bytes(6, "big") + bytes(10))


async def sum_up_pages(connection: Any, raw: RawTable, days: Iterable[int]) -> None:
    """Let the index know the pages that no vacuum has seen yet: they would all be read for each hour asked.

    For use outside a transaction. Needs the owner's rights; without them reading takes longer, that is all.
    """
    for day in days:
        with contextlib.suppress(asyncpg.PostgresError):
            await connection.execute(_SUM_UP_PAGES, partition_name(raw.name, day))


async def _first_counted(connection: Any, raw: RawTable) -> int | None:
    first = await connection.fetchval(
        f"SELECT min(bucket_start) FROM {raw.counted_in.name} WHERE span_minutes = {QUARTER_MINUTES}"  # noqa: S608
    )
    return None if first is None else day_of(first)


def day_bounds(raw: RawTable, day: int) -> tuple[Any, ...]:
    """The parameters of `occurred_within` for a whole day."""
    return bounds(raw, start_of(day), start_of(day + 1))
