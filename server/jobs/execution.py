"""What a worker does to jobs: claims, leases, endings. Every write behind the claim is fenced by the attempt.

Which handler runs, and when, is for `workers`. Instants are PostgreSQL's own, so workers' clocks may differ.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Executable
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from server.jobs import statements
from server.jobs.models import JobState

MAX_ERROR_LENGTH = 2_000
MAX_TRACEBACK_LENGTH = 20_000
MAX_LINE_LENGTH = 2_000  # 200 of them fit into a message well
MAX_NOTE_LENGTH = 200


class LostLease(Exception):  # noqa: N818 - named for what is so
    """The job belongs to somebody else by now: nothing of this attempt may be written."""


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job as it was claimed. `attempt` is the fencing token; `run_at` is when it was due."""

    job_id: uuid.UUID
    task: str
    version: int
    payload: dict[str, Any]
    queue: str
    priority: int
    attempt: int
    failures: int
    expiries: int
    request_id: str | None
    enqueued_at: datetime
    run_at: datetime
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed: one line for lists, the traceback for whoever mends it."""

    error: str
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Beat:
    """What a heartbeat learnt: the jobs still ours, and those that somebody wants stopped."""

    kept: set[uuid.UUID]
    cancel_requested: set[uuid.UUID]


class JobExecution:
    """Constructor: the engine; the worker's name as jobs show it; how long a claim holds unrenewed."""

    def __init__(self, engine: AsyncEngine, *, worker: str, lease: timedelta) -> None:
        self._engine = engine
        self._worker = worker
        self._lease = lease

    async def claim(self, queue: str, limit: int, *, suspects: bool = False) -> list[ClaimedJob]:
        """At most `limit` READY jobs of the queue, RUNNING under our name now; none while it is paused.

        In order of priority, then of when they were due. With `suspects` only jobs that were running when
        a worker died, else only the others: run those one at a time, so that one that kills its worker does
        not take the same neighbours with it again and again.
        """
        statement = statements.CLAIM_SUSPECTS if suspects else statements.CLAIM
        values = {"queue": queue, "limit": limit, "worker": self._worker, "lease": self._lease}
        async with self._engine.begin() as connection:
            rows = (await connection.execute(statement, values)).all()
        claimed = [_claimed(row) for row in rows]
        return sorted(claimed, key=lambda job: (-job.priority, job.run_at, job.job_id))

    async def complete(self, finished: Sequence[tuple[ClaimedJob, Any]]) -> set[uuid.UUID]:
        """Marks the jobs DONE with their results (JSON values); returns those that were still ours."""
        values = {
            "ids": [job.job_id for job, _ in finished],
            "attempts": [job.attempt for job, _ in finished],
            "results": [_json(result) for _, result in finished],
        }
        async with self._engine.begin() as connection:
            rows = await connection.execute(statements.COMPLETE, values)
            return {row.job_id for row in rows}

    async def complete_in(self, session: AsyncSession, job: ClaimedJob, result: Any = None) -> None:
        """Marks the job DONE in the handler's own transaction; raises LostLease when it is no longer ours."""
        values = {"ids": [job.job_id], "attempts": [job.attempt], "results": [_json(result)]}
        if (await session.execute(statements.COMPLETE, values)).first() is None:
            raise LostLease(f"job {job.job_id} is not held by attempt {job.attempt} any more")

    async def fail(self, job: ClaimedJob, failure: Failure, *, retry_in: float | None) -> bool:
        """Counts a failure: RETRYING in `retry_in` seconds, or DEAD (None). False when it was not ours."""
        state = JobState.DEAD if retry_in is None else JobState.RETRYING
        return await self._end_turn(job, state, "FAILED", failure=failure, delay=retry_in, failed=1)

    async def postpone(self, job: ClaimedJob, seconds: float, why: str) -> bool:
        """SCHEDULED again in `seconds`, without a failure. False when it was not ours any more."""
        return await self._end_turn(job, JobState.SCHEDULED, "POSTPONED", failure=Failure(why), delay=seconds)

    async def park(self, job: ClaimedJob, seconds: float, why: str) -> bool:
        """Puts back for `seconds` what this worker does not know: a newer one may. False when not ours."""
        return await self._end_turn(job, JobState.SCHEDULED, "PARKED", failure=Failure(why), delay=seconds)

    async def cancelled(self, job: ClaimedJob) -> bool:
        """CANCELLED, as an operator wished. False when it was not ours any more."""
        return await self._end_turn(job, JobState.CANCELLED, "CANCELLED", failure=Failure("cancelled"))

    async def release(self, jobs: Sequence[ClaimedJob]) -> set[uuid.UUID]:
        """READY again at once, in their old place and without a failure, for another worker to run."""
        values = _tokens(jobs)
        async with self._engine.begin() as connection:
            rows = await connection.execute(statements.RELEASE, values)
            return {row.job_id for row in rows}

    async def renew(self, jobs: Sequence[ClaimedJob]) -> Beat:
        """Prolongs the leases of those that are still ours."""
        async with self._engine.begin() as connection:
            rows = (await connection.execute(statements.RENEW, {**_tokens(jobs), "lease": self._lease})).all()
        return Beat(
            kept={row.job_id for row in rows},
            cancel_requested={row.job_id for row in rows if row.cancel_requested},
        )

    async def cancel_requested(self, jobs: Sequence[ClaimedJob]) -> set[uuid.UUID]:
        """Those of the jobs that an operator wants stopped."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(statements.CANCEL_REQUESTED, _tokens(jobs))
            return {row.job_id for row in rows}

    async def save_progress(
        self, job: ClaimedJob, *, done: int | None, total: int | None, note: str | None, log: Sequence[str]
    ) -> bool:
        """Shows how far the job is, and adds lines to its log. False when it was not ours any more."""
        at = datetime.now(UTC).isoformat()
        lines = [
            {"at": at, "attempt": job.attempt, "line": _storable(line)[:MAX_LINE_LENGTH]} for line in log
        ]
        values = {
            "job_id": job.job_id,
            "attempt": job.attempt,
            "done": done,
            "total": total,
            "note": None if note is None else _storable(note)[:MAX_NOTE_LENGTH],
            "lines": _json(lines),
        }
        return await self._write(statements.SAVE_PROGRESS, values)

    async def _end_turn(
        self,
        job: ClaimedJob,
        state: JobState,
        outcome: str,
        *,
        failure: Failure,
        delay: float | None = None,
        failed: int = 0,
    ) -> bool:
        values = {
            "job_id": job.job_id,
            "attempt": job.attempt,
            "state": state.value,
            "outcome": outcome,
            "delay": timedelta(seconds=delay or 0.0),
            "failed": failed,
            "error": _storable(failure.error)[:MAX_ERROR_LENGTH],
            # The end tells what was raised, and where.
            "traceback": _storable(failure.traceback)[-MAX_TRACEBACK_LENGTH:] or None,
        }
        return await self._write(statements.END_TURN, values)

    async def _write(self, statement: Executable, values: dict[str, Any]) -> bool:
        async with self._engine.begin() as connection:
            return (await connection.execute(statement, values)).first() is not None


def _tokens(jobs: Sequence[ClaimedJob]) -> dict[str, Any]:
    return {"ids": [job.job_id for job in jobs], "attempts": [job.attempt for job in jobs]}


def _claimed(row: Any) -> ClaimedJob:
    return ClaimedJob(
        job_id=row.job_id,
        task=row.task,
        version=row.version,
        payload=row.payload,
        queue=row.queue,
        priority=row.priority,
        attempt=row.attempt,
        failures=row.failures,
        expiries=row.expiries,
        request_id=row.request_id,
        enqueued_at=row.enqueued_at,
        run_at=row.run_at,
        started_at=row.started_at,
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _storable(value: str) -> str:
    """The text without what PostgreSQL cannot hold: NUL, and halves of surrogate pairs."""
    return value.replace("\0", "").encode(errors="replace").decode()
