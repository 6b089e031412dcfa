"""Finds, lists and changes jobs for operators, and says which queues are paused.

What workers do to jobs is in `execution`.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Boolean, Integer, bindparam, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer
from sqlalchemy.types import Uuid

from millrace.streams.ids import new_id_bytes
from server.auth.actor import Actor
from server.jobs.edits import EditedPayload
from server.jobs.models import Job, JobState, LedgerEntry, QueueState
from server.jobs.traces import entering

_NOW = func.clock_timestamp()
# They can be large, and a list is read for its outlines.
_DETAILS = (Job.payload, Job.traceback, Job.history, Job.log, Job.result)

# One statement, whatever the payloads weigh: none of them leaves the database.
_RETRY_DEAD = text(
    f"""
    WITH chosen AS (
        SELECT job_id, queue, version, payload, failures, expiries, enqueued_at
        FROM jobs
        WHERE state = 'DEAD'
          AND (CAST(:queue AS text) IS NULL OR queue = :queue)
          AND (CAST(:task AS text) IS NULL OR task = :task)
        ORDER BY job_id LIMIT :limit
        FOR UPDATE SKIP LOCKED
    ), reopened AS (
        UPDATE jobs SET state = 'READY', run_at = clock_timestamp(), failures = 0, expiries = 0,
            finished_at = NULL, cancel_requested_at = NULL,
            payload = coalesce(:payload, jobs.payload), version = coalesce(:version, jobs.version)
        FROM chosen WHERE jobs.job_id = chosen.job_id
    ), noted AS (
        {entering("REOPENED", "chosen")}
    ), audited AS (
        INSERT INTO audit (entry_id, actor, action, subject, before, after, request_id)
        SELECT (CAST(:entry_ids AS uuid[]))[row_number() OVER (ORDER BY job_id)], :actor, 'job.retry_dead',
            'job/' || job_id,
            jsonb_build_object('state', 'DEAD', 'failures', failures, 'expiries', expiries)
                || CASE WHEN :edited THEN jsonb_build_object('version', version, 'payload', payload)
                   ELSE '{{}}' END,
            jsonb_build_object('state', 'READY', 'failures', 0, 'expiries', 0)
                || CASE WHEN :edited
                   THEN jsonb_build_object('version', coalesce(:version, version), 'payload', :payload)
                   ELSE '{{}}' END,
            :request_id
        FROM chosen
    )
    SELECT queue, count(*) AS jobs FROM chosen GROUP BY queue
"""  # noqa: S608 - a part of it is a constant of ours
).bindparams(
    bindparam("payload", type_=JSONB(none_as_null=True)),
    bindparam("version", type_=Integer),
    bindparam("edited", type_=Boolean),
    bindparam("entry_ids", type_=ARRAY(Uuid)),
)


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list; None means any."""

    state: JobState | None = None
    queue: str | None = None
    task: str | None = None


class JobRepository:
    """Jobs as one session sees them."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, job_id: uuid.UUID) -> Job | None:
        """The job, unlocked."""
        return await self._session.get(Job, job_id)

    async def lock(self, job_id: uuid.UUID) -> Job | None:
        """The job, held against workers and other operators until the transaction ends."""
        return await self._session.get(Job, job_id, with_for_update=True)

    async def page(self, wanted: JobFilter, *, size: int, after: uuid.UUID | None) -> list[Job]:
        """At most `size` jobs that are older than `after`, newest first, without their details."""
        hidden = [defer(column, raiseload=True) for column in _DETAILS]
        query = select(Job).options(*hidden).order_by(Job.job_id.desc()).limit(size)
        if after is not None:
            query = query.where(Job.job_id < after)
        if wanted.state is not None:
            query = query.where(Job.state == wanted.state)
        if wanted.queue is not None:
            query = query.where(Job.queue == wanted.queue)
        if wanted.task is not None:
            query = query.where(Job.task == wanted.task)
        return list(await self._session.scalars(query))

    async def make_ready(self, job: Job, edited: EditedPayload | None) -> None:
        """Makes a locked job READY now, with its failures forgotten. IntegrityError: an equal one waits."""
        values: dict[str, Any] = {
            "state": JobState.READY.value,
            "run_at": _NOW,
            "failures": 0,
            "expiries": 0,
            "finished_at": None,
            "cancel_requested_at": None,
        }
        if edited is not None:
            values["payload"] = dict(edited.values)
            values["version"] = job.version if edited.version is None else edited.version
        await self._change(job, values)

    async def cancel(self, job: Job) -> None:
        """Makes a locked job that is not running CANCELLED."""
        await self._change(job, {"state": JobState.CANCELLED.value, "finished_at": _NOW})

    async def request_cancel(self, job: Job) -> None:
        """Asks the worker of a locked job to stop."""
        await self._change(job, {"cancel_requested_at": _NOW})

    async def note(self, job: Job, kind: str) -> None:
        """Tells the ledger that the job ended (FINISHED) or came back (REOPENED)."""
        hour = job.enqueued_at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        await self._session.execute(insert(LedgerEntry).values(queue=job.queue, hour=hour, kind=kind, jobs=1))

    async def retry_dead(
        self, actor: Actor, wanted: JobFilter, edited: EditedPayload | None, *, limit: int
    ) -> dict[str, int]:
        """Makes DEAD jobs READY, oldest first, with ledger and audit; how many of each queue.

        Jobs that somebody else holds just now are left out.
        """
        rows = await self._session.execute(
            _RETRY_DEAD,
            {
                "queue": wanted.queue,
                "task": wanted.task,
                "limit": limit,
                "edited": edited is not None,
                "payload": None if edited is None else dict(edited.values),
                "version": None if edited is None else edited.version,
                "actor": actor.principal.subject,
                "request_id": actor.request_id,
                "entry_ids": [uuid.UUID(bytes=new_id_bytes()) for _ in range(limit)],
            },
        )
        return {row.queue: row.jobs for row in rows}

    async def _change(self, job: Job, values: dict[str, Any]) -> None:
        query = update(Job).where(Job.job_id == job.job_id).values(values).returning(Job)
        await self._session.execute(query, execution_options={"populate_existing": True})


class QueueRepository:
    """What operators said of queues."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def pause(self, queue: str, by: str) -> datetime | None:
        """Pauses the queue; since when, or None when it was paused before."""
        query = (
            upsert(QueueState)
            .values(queue=queue, paused_at=_NOW, paused_by=by)
            .on_conflict_do_update(
                index_elements=[QueueState.queue],
                set_={"paused_at": _NOW, "paused_by": by},
                where=QueueState.paused_at.is_(None),
            )
            .returning(QueueState.paused_at)
        )
        return await self._session.scalar(query)

    async def resume(self, queue: str) -> QueueState | None:
        """Resumes the queue; how it was paused, or None when it was not."""
        query = (
            delete(QueueState)
            .where(QueueState.queue == queue, QueueState.paused_at.is_not(None))
            .returning(QueueState)
        )
        return (await self._session.scalars(query)).one_or_none()
