"""Whether the whole way is open, and how long it takes: one job, from its enqueueing to its end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from server.db.engine import Sessions, make_sessions
from server.jobs.declared import PING, Ping
from server.jobs.enqueueing import Jobs
from server.jobs.models import FINISHED, Job, QueueState
from server.jobs.wakeups import Nudger, make_broker

_LOOK_SECONDS: Final = 0.01


class PingLost(Exception):  # noqa: N818 - named for what is so
    """The job did not end in time, or not well; the text says how it stands."""


@dataclass(frozen=True, slots=True)
class Pong:
    """How long the job waited for a worker and how long it ran, in seconds of PostgreSQL's clock."""

    wait_seconds: float
    run_seconds: float
    worker: str


async def ping(engine: AsyncEngine, redis_url: str, prefix: str, *, queue: str, patience: float) -> Pong:
    """Enqueues a ping in the queue and waits for it. Raises PingLost after `patience` seconds.

    With Redis away it takes as long as it takes workers to look by themselves.
    """
    sessions = make_sessions(engine)
    async with Nudger(make_broker(redis_url, prefix)) as nudger:
        async with sessions.begin() as session:
            # Before all that waits: what is asked is whether workers take anything at all.
            job_id = await Jobs(nudger.nudge).enqueue(session, PING, Ping(), queue=queue, priority=100)
        job: Job | None = None
        try:
            async with asyncio.timeout(patience):
                while job is None or job.state not in FINISHED:
                    await asyncio.sleep(_LOOK_SECONDS)
                    async with sessions() as session:
                        job = await session.get_one(Job, job_id)
        except TimeoutError:
            state = "unknown" if job is None else job.state
            why = await _reason(sessions, queue)
            raise PingLost(f"job {job_id} is {state} after {patience:g} s: {why}") from None
    return _pong(job)


async def _reason(sessions: Sessions, queue: str) -> str:
    async with sessions() as session:
        said = await session.get(QueueState, queue)
    if said is None or said.paused_at is None:
        return f"is a worker serving {queue}? It runs once one does."
    since = f"{said.paused_at:%Y-%m-%d %H:%M} UTC"
    return f"{said.paused_by} paused {queue} at {since}. It runs once that is resumed."


def _pong(job: Job) -> Pong:
    if job.state != "DONE" or job.started_at is None or job.finished_at is None:
        raise PingLost(f"job {job.job_id} ended {job.state}: {job.error or 'no error is noted'}")
    return Pong(
        wait_seconds=(job.started_at - job.enqueued_at).total_seconds(),
        run_seconds=(job.finished_at - job.started_at).total_seconds(),
        worker=job.worker or "",
    )
