"""Taking finished jobs away by age, and keeping the ledger small without changing what it says.

Each step is one short transaction that may be repeated; how many steps, and when, is for the handler.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import DateTime, Integer, Interval, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from server.db.engine import Sessions
from server.jobs.models import JobState
from server.jobs.traces import entering

# So many rows at once hold their locks for some milliseconds.
BATCH_ROWS: Final = 2_000

# An operator who looks for what went wrong has longer.
UNEVENTFUL: Final = (JobState.DONE, JobState.CANCELLED)
DEAD: Final = (JobState.DEAD,)

# Every queue that ever had a job, also one that is gone from the code.
_QUEUES = text("SELECT DISTINCT queue FROM job_ledger ORDER BY queue")

# Locking looks at the row once more: a job that was reopened since is none of ours. now() stands still, so
# that it can be looked up in the index.
_PRUNE = text(f"""
    WITH old AS MATERIALIZED (
        SELECT job_id FROM jobs
        WHERE queue = :queue AND state = ANY (:states) AND finished_at < now() - :age
        ORDER BY finished_at
        LIMIT :limit
        FOR UPDATE SKIP LOCKED
    ), pruned AS (
        DELETE FROM jobs USING old WHERE jobs.job_id = old.job_id RETURNING jobs.queue, jobs.enqueued_at
    ), entered AS (
        {entering("PRUNED", "pruned")}
    )
    SELECT count(*) FROM pruned
""").bindparams(  # noqa: S608 - constants of ours
    bindparam("states", type_=ARRAY(Text)),
    bindparam("age", type_=Interval),
    bindparam("limit", type_=Integer),
)

# The hour that is under way gets new lines all the time; summing them up would have to be done again.
_SPREAD_HOURS = text("""
    SELECT hour FROM job_ledger
    WHERE hour < date_trunc('hour', clock_timestamp(), 'UTC')
    GROUP BY hour
    HAVING count(*) > count(DISTINCT (queue, kind))
    ORDER BY hour
""")

# Sums come last in the order, so that each step takes lines that no earlier one has summed up.
# Locked in order, so that two steps on one hour never wait for each other in a circle.
_SUM_UP = text("""
    WITH picked AS MATERIALIZED (
        SELECT entry_id FROM job_ledger WHERE hour = :hour ORDER BY entry_id LIMIT :limit FOR UPDATE
    ), taken AS (
        DELETE FROM job_ledger USING picked
        WHERE job_ledger.entry_id = picked.entry_id
        RETURNING job_ledger.queue, job_ledger.kind, job_ledger.jobs
    ), entered AS (
        INSERT INTO job_ledger (queue, hour, kind, jobs)
        SELECT queue, :hour, kind, sum(jobs) FROM taken GROUP BY queue, kind
    )
    SELECT count(*) FROM taken
""").bindparams(bindparam("hour", type_=DateTime(timezone=True)), bindparam("limit", type_=Integer))

# A schedule's newest due time is kept in a row of its own, so old runs decide nothing any more.
_FORGET_RUNS = text("""
    DELETE FROM job_schedule_runs AS runs USING job_schedules AS schedules
    WHERE runs.name = schedules.name AND runs.due_at < schedules.last_due_at
        AND runs.due_at < now() - :age
""").bindparams(bindparam("age", type_=Interval))


class Pruning:
    """Constructor: the session factory."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def queues(self) -> Sequence[str]:
        """The queues that have or had jobs."""
        async with self._sessions() as session:
            return (await session.scalars(_QUEUES)).all()

    async def prune(
        self, queue: str, states: Sequence[JobState], *, older_than: timedelta, limit: int = BATCH_ROWS
    ) -> int:
        """Deletes up to `limit` jobs that ended in one of `states` so long ago; says how many.

        Fewer than `limit` means that no more are left but those that somebody else holds just now.
        """
        values = {
            "queue": queue,
            "states": [state.value for state in states],
            "age": older_than,
            "limit": limit,
        }
        async with self._sessions.begin() as session:
            return int(await session.scalar(_PRUNE, values) or 0)

    async def spread_hours(self) -> Sequence[datetime]:
        """Hours gone by of which the ledger has several lines for one queue and kind, oldest first."""
        async with self._sessions() as session:
            return (await session.scalars(_SPREAD_HOURS)).all()

    async def sum_up(self, hour: datetime, *, limit: int = BATCH_ROWS) -> int:
        """Replaces up to `limit` lines of the hour by one for each queue and kind; says how many it took.

        Fewer than `limit` means that the hour is summed up.
        """
        async with self._sessions.begin() as session:
            return int(await session.scalar(_SUM_UP, {"hour": hour, "limit": limit}) or 0)

    async def forget_schedule_runs(self, *, older_than: timedelta) -> None:
        """Deletes what was decided of due times so long ago. Those of schedules that never fired stay."""
        async with self._sessions.begin() as session:
            await session.execute(_FORGET_RUNS, {"age": older_than})
