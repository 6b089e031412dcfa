"""Makes the rollups and sessions of some days anew from raw rows, while drains go on.

By hours or quarters, each in a short transaction that holds its whole day. How far it came is noted with each
hour, so a rebuild that was cut short goes on there when the same days are asked for again.
"""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple, TypeAlias

import asyncpg

from server.analytics.closing import close_days, lock_whole_days
from server.analytics.counting import ROLLUP_LOCK, lock_days
from server.analytics.raw_days import (
    RAW_CLICKS,
    RAW_EVENTS,
    RawTable,
    partition_days,
    sum_up_pages,
    whole_since,
)
from server.analytics.recounting import QUARTER, Recounted, recount, recount_links
from server.analytics.utc_days import date_of, day_of, start_of

# Told how many hours are done, of how many, and what is being done.
OnProgress: TypeAlias = Callable[[int, int, str], Awaitable[None]]

_HOUR: Final = datetime.timedelta(hours=1)
# Beside the days' own locks, which are days since 1970: only one rebuild goes on at a time.
_ALONE: Final = -1
_TRIES: Final = 20
_PAUSE_SECONDS: Final = 0.5
_LONG_SECONDS: Final = 0.5

_RESUME: Final = "SELECT next_hour FROM rollup_rebuilds WHERE first_day = $1 AND last_day = $2"
_NOTE: Final = """
    INSERT INTO rollup_rebuilds (first_day, last_day, next_hour) VALUES ($1, $2, $3)
    ON CONFLICT (first_day, last_day) DO UPDATE SET next_hour = excluded.next_hour, updated_at = now()
"""
_FORGET: Final = "DELETE FROM rollup_rebuilds WHERE first_day = $1 AND last_day = $2"


class RawGone(ValueError):  # noqa: N818 - named for what is so
    """Raw rows of a day are gone by retention, so it cannot be counted again; the text names the option."""


class RebuildGoesOn(RuntimeError):  # noqa: N818 - named for what is so
    """Another rebuild is at work."""


class Kept(NamedTuple):
    """For how many days retention keeps raw rows."""

    event_days: int
    click_days: int


class Rebuilt(NamedTuple):
    """What a rebuild counted from where it went on, and how many days were closed again."""

    hours: int
    events: int
    clicks: int
    closed: int


async def rebuild(
    connection: Any, first_day: int, last_day: int, *, kept: Kept, on_progress: OnProgress
) -> Rebuilt:
    """Rebuild these UTC days, both included and counted from 1970, then close them again.

    `connection` is a bare asyncpg one outside any transaction. Raises RawGone, RebuildGoesOn, and asyncpg's
    LockNotAvailableError when drains leave no gap in a day for a long while; then the same call goes on.
    """
    await _refuse_gone(connection, first_day, kept)
    async with _alone(connection):
        for raw in (RAW_EVENTS, RAW_CLICKS):
            await sum_up_pages(connection, raw, await partition_days(connection, raw))
        work = _Work(connection, first_day, last_day, on_progress)
        counted = await work.run()

        async def show(done: int, total: int) -> None:
            await on_progress(work.hours, work.hours, f"closing day {done + 1} of {total}")

        closed = await close_days(connection, first_day, last_day, on_progress=show)
    return Rebuilt(work.done, counted.events, counted.clicks, closed)


class _Work:
    """The hours of one rebuild."""

    def __init__(self, connection: Any, first_day: int, last_day: int, on_progress: OnProgress) -> None:
        self._connection = connection
        self._range = date_of(first_day), date_of(last_day)
        self._start, self._end = start_of(first_day), start_of(last_day + 1)
        self._on_progress = on_progress
        self.hours = (last_day + 1 - first_day) * 24
        self.done = 0
        self._step = QUARTER

    async def run(self) -> Recounted:
        """Recount from where it went on to the end."""
        events = clicks = 0
        hour = await self._connection.fetchval(_RESUME, *self._range) or self._start
        while hour < self._end:
            await self._on_progress((hour - self._start) // _HOUR, self.hours, f"{hour:%Y-%m-%d %H:00} UTC")
            recounted = await self._recount(hour)
            events, clicks = events + recounted.events, clicks + recounted.clicks
            hour += _HOUR
            self.done += 1
        await self._connection.execute(_FORGET, *self._range)
        return Recounted(events, clicks)

    async def _recount(self, hour: datetime.datetime) -> Recounted:
        if hour == start_of(day_of(hour)):
            await self._patiently(hour, lambda: recount_links(self._connection, day_of(hour)))
        events = clicks = 0
        step, start = self._step, hour
        while start < hour + _HOUR:
            counted = await self._recount_step(start, start + step, hour + _HOUR)
            events, clicks = events + counted.events, clicks + counted.clicks
            start += step
        return Recounted(events, clicks)

    async def _recount_step(
        self, start: datetime.datetime, end: datetime.datetime, hour_end: datetime.datetime
    ) -> Recounted:
        began = time.monotonic()
        counted = Recounted(0, 0)

        async def write() -> None:
            nonlocal counted
            counted = await recount(self._connection, start, end, until=self._end)
            if end == hour_end:
                await self._connection.execute(_NOTE, *self._range, hour_end)

        await self._patiently(start, write)
        # Drains wait for a day for five seconds; hours of a busy day are taken by the quarter.
        self._step = QUARTER if time.monotonic() - began > _LONG_SECONDS else _HOUR
        return counted

    async def _patiently(self, hour: datetime.datetime, step: Callable[[], Awaitable[None]]) -> None:
        """Do the step in a transaction that has the day to itself; drains come first when both want it."""
        day = day_of(hour)
        for tries_left in reversed(range(_TRIES)):
            try:
                async with self._connection.transaction():
                    await lock_whole_days(self._connection, [day])
                    await lock_days(self._connection, [day])
                    await step()
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                if not tries_left:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return


@asynccontextmanager
async def _alone(connection: Any) -> AsyncIterator[None]:
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1::int, $2::int)", ROLLUP_LOCK, _ALONE):
        raise RebuildGoesOn("another rebuild is at work; let it end, or end it")
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1::int, $2::int)", ROLLUP_LOCK, _ALONE)


async def _refuse_gone(connection: Any, first_day: int, kept: Kept) -> None:
    for raw, days, option in (
        (RAW_EVENTS, kept.event_days, "MILLRACE_EVENT_RETENTION_DAYS"),
        (RAW_CLICKS, kept.click_days, "MILLRACE_CLICK_RETENTION_DAYS"),
    ):
        await _refuse_gone_of(connection, raw, first_day, days, option)


async def _refuse_gone_of(connection: Any, raw: RawTable, first_day: int, days: int, option: str) -> None:
    whole = await whole_since(connection, raw, keep_days=days)
    if whole is not None and first_day < whole:
        raise RawGone(
            f"the raw {raw.name} of {date_of(first_day)} are gone, or some of them: {option}={days} keeps "
            f"them whole from {date_of(whole)} on"
        )
