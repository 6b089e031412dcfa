"""Use cases of operators: looking at jobs and queues, retrying, calling off, pausing."""

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from server.audit import AuditRepository
from server.auth.actor import Actor
from server.db.engine import Sessions
from server.jobs.edits import DeclaredTasks, EditedPayload
from server.jobs.enqueueing import Jobs
from server.jobs.errors import JobNotFound, QueueNotFound, StateConflict, refused_field
from server.jobs.figures import QueueFigures, read_figures
from server.jobs.models import FINISHED, Job, JobState
from server.jobs.queues import QUEUES
from server.jobs.repository import JobFilter, JobRepository, QueueRepository

_RETRIED = frozenset({JobState.DEAD, JobState.CANCELLED, JobState.RETRYING, JobState.SCHEDULED})


class JobsService:
    """Constructor: the session factory, what wakes workers, and the tasks whose payloads are checked here."""

    def __init__(self, sessions: Sessions, *, jobs: Jobs, tasks: DeclaredTasks) -> None:
        self._sessions = sessions
        self._jobs = jobs
        self._tasks = tasks

    async def read(self, job_id: uuid.UUID) -> Job:
        """The job with its details; raises JobNotFound."""
        async with self._sessions() as session:
            job = await JobRepository(session).find(job_id)
        if job is None:
            raise JobNotFound(job_id)
        return job

    async def page(self, wanted: JobFilter, *, size: int, after: uuid.UUID | None) -> list[Job]:
        """At most `size` jobs older than `after`, newest first, without their details."""
        async with self._sessions() as session:
            return await JobRepository(session).page(wanted, size=size, after=after)

    async def retry(self, actor: Actor, job_id: uuid.UUID, payload: Mapping[str, Any] | None) -> Job:
        """Makes the job READY now, with `payload` unless None; workers hear of it after the commit.

        Raises JobNotFound, StateConflict, InvalidArgument naming `payload.<field>`.
        """
        try:
            async with self._sessions.begin() as session:
                job = await _locked(session, job_id)
                edited = None if payload is None else self._tasks.check(job.task, payload)
                await self._make_ready(actor, session, job, edited)
        except IntegrityError as error:
            if "uq_jobs_unique_key" not in str(error.orig):
                raise
            message = "A job of the same key waits to start; cancel that one first."
            raise StateConflict(message, JobState.CANCELLED) from error
        return job

    async def cancel(self, actor: Actor, job_id: uuid.UUID) -> Job:
        """CANCELLED, or still RUNNING and asked to stop; repeating it changes nothing.

        Raises JobNotFound, StateConflict for a job that is DONE or DEAD.
        """
        async with self._sessions.begin() as session:
            job = await _locked(session, job_id)
            is_asked = job.state == JobState.RUNNING and job.cancel_requested_at is not None
            if is_asked or job.state == JobState.CANCELLED:
                return job
            if job.state in FINISHED:
                raise StateConflict(f"The job is {job.state}; there is nothing left to cancel.", job.state)
            repository, before = JobRepository(session), _shown(job)
            if job.state == JobState.RUNNING:
                await repository.request_cancel(job)
            else:
                await repository.cancel(job)
                await repository.note(job, "FINISHED")
            _audit(session, actor, "job.cancel", job, (before, _shown(job)))
        return job

    async def retry_dead(
        self, actor: Actor, wanted: JobFilter, payload: Mapping[str, Any] | None, *, limit: int
    ) -> int:
        """Makes at most `limit` DEAD jobs READY, oldest first; how many. Each is noted in the audit.

        Raises InvalidArgument for a payload without a task, or one that the task would not understand.
        """
        edited = None
        if payload is not None:
            if wanted.task is None:
                raise refused_field("task", "must be set with a payload: each task has a form of its own")
            edited = self._tasks.check(wanted.task, payload)
        async with self._sessions.begin() as session:
            retried = await JobRepository(session).retry_dead(actor, wanted, edited, limit=limit)
            for queue in retried:
                self._jobs.nudge_after_commit(session, queue)
        return sum(retried.values())

    async def queues(self) -> list[QueueFigures]:
        """Every queue with its figures, the most urgent first."""
        async with self._sessions() as session:
            return await read_figures(session)

    async def pause(self, actor: Actor, queue: str) -> QueueFigures:
        """Keeps workers from claiming; repeating it changes nothing. Raises QueueNotFound."""
        _check_known(queue)
        async with self._sessions.begin() as session:
            since = await QueueRepository(session).pause(queue, actor.principal.subject)
            if since is not None:
                _audit_queue(session, actor, "queue.pause", queue, paused=True)
        return await self._figures(queue)

    async def resume(self, actor: Actor, queue: str) -> QueueFigures:
        """Lets workers claim again; repeating it changes nothing. Raises QueueNotFound."""
        _check_known(queue)
        async with self._sessions.begin() as session:
            if await QueueRepository(session).resume(queue) is not None:
                _audit_queue(session, actor, "queue.resume", queue, paused=False)
            # Also when nothing changed: a repeated call wakes workers that were told too early.
            self._jobs.nudge_after_commit(session, queue)
        return await self._figures(queue)

    async def _figures(self, queue: str) -> QueueFigures:
        # After the commit: on a bad day they take long, and must not undo what was asked for.
        async with self._sessions() as session:
            return (await read_figures(session, queue))[0]

    async def _make_ready(
        self, actor: Actor, session: AsyncSession, job: Job, edited: EditedPayload | None
    ) -> None:
        if job.state not in _RETRIED:
            message = f"The job is {job.state}; only what waits or was given up is retried."
            raise StateConflict(message, job.state)
        repository = JobRepository(session)
        reopened, before = job.state in FINISHED, _shown(job, edited)
        await repository.make_ready(job, edited)
        if reopened:
            await repository.note(job, "REOPENED")
        _audit(session, actor, "job.retry", job, (before, _shown(job, edited)))
        self._jobs.nudge_after_commit(session, job.queue)


async def _locked(session: AsyncSession, job_id: uuid.UUID) -> Job:
    job = await JobRepository(session).lock(job_id)
    if job is None:
        raise JobNotFound(job_id)
    return job


def _check_known(queue: str) -> None:
    if queue not in QUEUES:
        raise QueueNotFound(queue)


def _shown(job: Job, edited: EditedPayload | None = None) -> dict[str, Any]:
    """What operators change of a job, as the audit keeps it; the payload only when it is edited."""
    asked = job.cancel_requested_at
    shown: dict[str, Any] = {
        "state": job.state,
        "run_at": job.run_at.isoformat(),
        "failures": job.failures,
        "expiries": job.expiries,
        "cancel_requested_at": None if asked is None else asked.isoformat(),
    }
    if edited is not None:
        shown |= {"version": job.version, "payload": job.payload}
    return shown


def _audit(
    session: AsyncSession, actor: Actor, action: str, job: Job, states: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    before, after = states
    changed = {name for name in after if before[name] != after[name]}
    AuditRepository(session).add(
        actor,
        action,
        f"job/{job.job_id}",
        before={name: value for name, value in before.items() if name in changed},
        after={name: value for name, value in after.items() if name in changed},
    )


def _audit_queue(session: AsyncSession, actor: Actor, action: str, queue: str, *, paused: bool) -> None:
    AuditRepository(session).add(
        actor, action, f"queue/{queue}", before={"paused": not paused}, after={"paused": paused}
    )
