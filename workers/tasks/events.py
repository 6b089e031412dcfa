"""Keeps the analytics tables in order: days made ahead, old rows gone, finished days summed up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from server.analytics.closing import close_days, days_due
from server.analytics.local_days import keep_local_days
from server.analytics.ranges import read_zone
from server.analytics.retention import (
    drop_raw_days,
    make_days_ahead,
    prune_dead_letters,
    prune_identities,
    prune_rollups,
)
from server.analytics.tasks import EventUpkeep as Payload
from server.jobs.tasks import Postponed
from workers.job_run import JobRun

_IN_USE_SECONDS: Final = 60.0
# One run closes this many days; what is left is the next one's. A rebuild may leave years.
_DAYS_A_RUN: Final = 100


@asynccontextmanager
async def bare_connection(engine: AsyncEngine) -> AsyncIterator[Any]:
    """A connection of the pool as asyncpg has it, outside any transaction."""
    async with engine.connect() as connection:
        # SQLAlchemy has begun nothing on it.
        yield (await connection.get_raw_connection()).driver_connection


class EventUpkeep:
    """Constructor: the engine; after how many days raw events and dead letters go, after how many months
    what was counted of them."""

    def __init__(self, engine: AsyncEngine, *, keep_days: int, keep_months: int) -> None:
        self._engine = engine
        self._keep_days = keep_days
        self._keep_months = keep_months

    async def run(self, run: JobRun[Payload]) -> dict[str, int]:
        """What was made and dropped. Raises Postponed when the events table was in use for too long."""

        async def show(gone: int, what: str) -> None:
            await run.progress(gone, note=what)

        days, months = self._keep_days, self._keep_months
        async with bare_connection(self._engine) as connection:
            made = await make_days_ahead(connection)
            try:
                dropped = await drop_raw_days(connection, keep_days=days, on_progress=show)
            except asyncpg.LockNotAvailableError as error:
                raise Postponed(_IN_USE_SECONDS, "the events table was in use") from error
            return {
                "made": made,
                "dropped": dropped,
                "identities": await prune_identities(connection, keep_days=days, on_progress=show),
                "counts": await prune_rollups(connection, keep_months=months, on_progress=show),
                "dead_letters": await prune_dead_letters(connection, keep_days=days, on_progress=show),
            }


class RollupClosing:
    """Constructor: the engine, and who knows the IANA name of the shop's time zone."""

    def __init__(self, engine: AsyncEngine, *, find_time_zone: Callable[[], Awaitable[str]]) -> None:
        self._engine = engine
        self._find_time_zone = find_time_zone

    async def run(self, run: JobRun[Payload]) -> dict[str, int]:
        """How many days were closed, and how many are left for the next run."""

        async def show(done: int, total: int) -> None:
            await run.progress(done, total, "days summed up")

        zone = read_zone(await self._find_time_zone())
        async with bare_connection(self._engine) as connection:
            due = await days_due(connection)
            # Weeks may be due all the same.
            mine = due[-_DAYS_A_RUN:] or [0, -1]
            closed = await close_days(connection, mine[0], mine[-1], on_progress=show)
            await keep_local_days(connection, zone)
        return {"closed": closed, "left": len(due) - closed}
