"""Keeps the days of the clicks table: the next ones made in time, old ones dropped with their rows."""

from __future__ import annotations

from typing import Any, Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from server.affiliate.click_columns import CLICKS
from server.affiliate.tasks import ClickPartitionUpkeep as Payload
from server.db.day_partitions import DayPartitions, days_before, drop_partition
from server.jobs.tasks import Postponed
from workers.job_run import JobRun

# A drain makes what it lacks by itself; this spares it that while a new day's first clicks wait.
DAYS_AHEAD: Final = 3
_IN_USE_SECONDS: Final = 60.0
_TODAY: Final = "SELECT floor(extract(epoch FROM clock_timestamp()) / 86400)"


class ClickPartitionUpkeep:
    """Constructor: the engine, and after how many days raw clicks go. Their counts stay in the rollups."""

    def __init__(self, engine: AsyncEngine, *, keep_days: int) -> None:
        self._engine = engine
        self._keep_days = keep_days

    async def run(self, run: JobRun[Payload]) -> dict[str, int]:
        """How many days were made and dropped. Raises Postponed when the table was in use for too long."""
        async with self._engine.connect() as connection:
            # Bare asyncpg, as the drain has it; SQLAlchemy has begun nothing on it.
            driver: Any = (await connection.get_raw_connection()).driver_connection
            # PostgreSQL's clock: a worker whose own is ahead would drop days that are needed.
            today = int(await driver.fetchval(_TODAY))
            made = await DayPartitions(CLICKS).ensure(driver, range(today, today + DAYS_AHEAD + 1))
            old = await days_before(driver, CLICKS, today - self._keep_days)
            for dropped, day in enumerate(old):
                await run.progress(dropped, len(old), "dropping old days")
                try:
                    await drop_partition(driver, CLICKS, day)
                except asyncpg.LockNotAvailableError as error:
                    raise Postponed(_IN_USE_SECONDS, "the clicks table was in use") from error
        return {"made": made, "dropped": len(old)}
