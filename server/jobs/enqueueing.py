"""Writing a job in the caller's transaction, and waking the workers once that is committed."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import msgspec
import structlog
from sqlalchemy import DateTime, SmallInteger, Text, Uuid, bindparam, event, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from millrace.streams.ids import new_id_bytes
from server.jobs.models import JobState
from server.jobs.queues import check_queue
from server.jobs.tasks import Task
from server.jobs.traces import entering

P = TypeVar("P", bound=msgspec.Struct)

# Wakes the workers of a queue. Returns at once and never raises: the row is what counts.
Nudge = Callable[[str], None]

PRIORITIES = range(-100, 101)
MAX_UNIQUE_KEY_LENGTH = 200

# Taking a later job into a waiting one locks that row until the caller commits: no worker can then start it
# too early and miss what the caller is about to change.
_ENQUEUE = text(f"""
    WITH added AS (
        INSERT INTO jobs
            (job_id, task, version, payload, queue, priority, state, unique_key, run_at, request_id)
        VALUES (
            :job_id, :task, :version, CAST(:payload AS jsonb), :queue, :priority,
            CASE WHEN :run_at > clock_timestamp() THEN 'SCHEDULED' ELSE 'READY' END,
            :unique_key, coalesce(:run_at, clock_timestamp()), :request_id
        )
        ON CONFLICT (task, unique_key)
            WHERE unique_key IS NOT NULL AND attempt = 0 AND state IN ('SCHEDULED', 'READY')
        DO UPDATE SET
            version = excluded.version,
            payload = excluded.payload,
            priority = greatest(jobs.priority, excluded.priority),
            run_at = least(jobs.run_at, excluded.run_at),
            state = CASE WHEN 'READY' IN (jobs.state, excluded.state) THEN 'READY' ELSE 'SCHEDULED' END
        RETURNING job_id, queue, state, enqueued_at
    ), new AS (
        SELECT queue, enqueued_at FROM added WHERE job_id = :job_id
    ), entered AS (
        {entering("ENQUEUED", "new")}
    )
    SELECT job_id, queue, state FROM added
""").bindparams(  # noqa: S608 - constants of ours
    bindparam("job_id", type_=Uuid),
    bindparam("run_at", type_=DateTime(timezone=True)),
    bindparam("priority", type_=SmallInteger),
    bindparam("unique_key", type_=Text),
    bindparam("request_id", type_=Text),
)

_NUDGES = "millrace_job_nudges"


class Jobs:
    """Constructor: what wakes the workers of a queue, called once per queue after each commit."""

    def __init__(self, nudge: Nudge) -> None:
        self._nudge = nudge

    async def enqueue(
        self,
        session: AsyncSession,
        task: Task[P],
        payload: P,
        *,
        unique_key: str | None = None,
        run_at: datetime | None = None,
        queue: str | None = None,
        priority: int = 0,
    ) -> uuid.UUID:
        """Adds a job to the session's transaction: it exists when that commits, and never otherwise.

        `unique_key` takes the call into the task's job of that key which was never started, if there is
        one: that job gets this payload, the earlier `run_at` and the higher `priority`, and its id is
        returned. A job that was started takes nothing in, so that no change made while it runs is missed.
        `run_at` carries a zone; None and the past mean now. `queue`: the task's own unless given.
        `priority`: -100 to 100, higher first. Raises ValueError for a value out of range and
        MalformedPayload, before anything is written.
        """
        values = {
            "job_id": uuid.UUID(bytes=new_id_bytes()),
            "task": task.name,
            "version": task.version,
            "payload": task.encode(payload),
            "queue": check_queue(queue or task.queue),
            "priority": _checked_priority(priority),
            "unique_key": _checked_key(unique_key),
            "run_at": _checked_instant(run_at),
            "request_id": structlog.contextvars.get_contextvars().get("request_id"),
        }
        row = (await session.execute(_ENQUEUE, values)).one()
        if row.state == JobState.READY:
            self.nudge_after_commit(session, row.queue)
        job_id: uuid.UUID = row.job_id if isinstance(row.job_id, uuid.UUID) else uuid.UUID(str(row.job_id))
        return job_id

    def nudge_after_commit(self, session: AsyncSession, queue: str) -> None:
        """Wakes the queue's workers once the session's transaction is committed."""
        session.info.setdefault(_NUDGES, {})[queue] = self._nudge


@event.listens_for(Session, "after_commit")
def _nudge_workers(session: Session) -> None:
    # Also called when a savepoint is released: then nothing is committed yet.
    if session.in_nested_transaction():
        return
    for queue, nudge in session.info.pop(_NUDGES, {}).items():
        nudge(queue)


def _checked_priority(priority: int) -> int:
    if priority not in PRIORITIES:
        raise ValueError(f"a priority is {PRIORITIES[0]} to {PRIORITIES[-1]}, not {priority}")
    return priority


def _checked_key(key: str | None) -> str | None:
    if key is not None and (not 0 < len(key) <= MAX_UNIQUE_KEY_LENGTH or "\0" in key):
        raise ValueError(f"a unique key has 1 to {MAX_UNIQUE_KEY_LENGTH} characters and no NUL")
    return key


def _checked_instant(run_at: datetime | None) -> datetime | None:
    if run_at is not None and run_at.tzinfo is None:
        raise ValueError("run_at must carry a time zone")
    return run_at
