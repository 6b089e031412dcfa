"""The proof that no job was lost: what the ledger says of each queue and hour against the rows there are.

It holds at every instant, so it is asked of one snapshot, with workers, pruning and retries going on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

# Millions of rows are counted once an hour at most; the engines' own limit is meant for requests.
_PATIENCE = text("SET LOCAL statement_timeout = '10min'")

_BALANCES = text("""
    WITH noted AS (
        SELECT queue, hour,
            coalesce(sum(jobs) FILTER (WHERE kind = 'ENQUEUED'), 0) AS enqueued,
            coalesce(sum(jobs) FILTER (WHERE kind = 'FINISHED'), 0) AS finished,
            coalesce(sum(jobs) FILTER (WHERE kind = 'REOPENED'), 0) AS reopened,
            coalesce(sum(jobs) FILTER (WHERE kind = 'PRUNED'), 0) AS pruned
        FROM job_ledger
        GROUP BY queue, hour
    ), present AS (
        SELECT queue, date_trunc('hour', enqueued_at, 'UTC') AS hour,
            count(*) FILTER (WHERE state IN ('SCHEDULED', 'READY', 'RUNNING', 'RETRYING')) AS open,
            count(*) FILTER (WHERE state IN ('DONE', 'DEAD', 'CANCELLED')) AS kept
        FROM jobs
        GROUP BY 1, 2
    )
    SELECT queue, hour, coalesce(enqueued, 0)::bigint AS enqueued, coalesce(finished, 0)::bigint AS finished,
        coalesce(reopened, 0)::bigint AS reopened, coalesce(pruned, 0)::bigint AS pruned,
        coalesce(open, 0)::bigint AS open, coalesce(kept, 0)::bigint AS kept
    FROM noted FULL JOIN present USING (queue, hour)
    ORDER BY hour, queue
""")


@dataclass(frozen=True, slots=True)
class Balance:
    """The jobs of a queue that were enqueued in an hour (UTC): as noted in the ledger, and as rows there are.

    `open` and `kept` are the rows that are not finished, and those that are.
    """

    queue: str
    hour: datetime
    enqueued: int
    finished: int
    reopened: int
    pruned: int
    open: int
    kept: int

    @property
    def ended(self) -> int:
        """Finished, and not reopened since."""
        return self.finished - self.reopened

    def differences(self) -> list[Difference]:
        """What does not add up; empty when all does."""
        equations = (
            ("enqueued = finished + open", self.enqueued, self.ended + self.open),
            ("finished = pruned + kept", self.ended, self.pruned + self.kept),
        )
        return [
            Difference(self.queue, self.hour, equation, noted, found)
            for equation, noted, found in equations
            if noted != found
        ]


@dataclass(frozen=True, slots=True)
class Difference:
    """An equation that does not hold: its left side is `noted`, its right side `found`."""

    queue: str
    hour: datetime
    equation: str
    noted: int
    found: int

    def __str__(self) -> str:
        by = self.found - self.noted
        what = f"{by} too many" if by > 0 else f"{-by} missing"
        return (
            f"{self.queue} {self.hour:%Y-%m-%d %H:00} UTC: {self.equation} does not hold, "
            f"{self.noted} != {self.found}: {what}"
        )


async def prove(engine: AsyncEngine) -> list[Balance]:
    """The balances of one snapshot, in a transaction of its own that writes nothing."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        async with connection.begin():
            return await balances(connection)


async def balances(connection: AsyncConnection | AsyncSession) -> list[Balance]:
    """Every queue and hour of which there is a line in the ledger or a job, oldest hour first."""
    await connection.execute(_PATIENCE)
    return [Balance(**row) for row in (await connection.execute(_BALANCES)).mappings()]


async def differences(connection: AsyncConnection | AsyncSession) -> list[Difference]:
    """What does not add up in any queue and hour, oldest first; empty when no job was lost."""
    return [each for balance in await balances(connection) for each in balance.differences()]
