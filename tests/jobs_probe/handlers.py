"""What the probes do. Everything they leave behind tells the attempt and the process."""

import asyncio
import os
import signal
import time
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from server.jobs.execution import LostLease
from tests.jobs_probe import tasks
from tests.jobs_probe.tasks import Effect, NewGreeting, Nothing, OldGreeting, Seconds
from workers.job_run import JobRun
from workers.registry import Handlers
from workers.resources import Resources


def old_release(resources: Resources) -> Handlers:
    """The handlers of a worker that was not deployed yet."""
    probes = Probes(resources)
    handlers = _in_every_release(probes)
    handlers.add(tasks.OLD_GREETING, probes.old_greeting)
    return handlers


def new_release(resources: Resources) -> Handlers:
    """The handlers of this release: one task more, and one of a newer version."""
    probes = Probes(resources)
    handlers = _in_every_release(probes)
    handlers.add(tasks.NEW_GREETING, probes.new_greeting)
    handlers.add(tasks.NOVEL, probes.effect)
    return handlers


def _in_every_release(probes: "Probes") -> Handlers:
    handlers = Handlers()
    handlers.add(tasks.EFFECT, probes.effect)
    handlers.add(tasks.WATCHED, probes.watched)
    handlers.add(tasks.LATE_WRITER, probes.late_writer)
    handlers.add(tasks.POISON, probes.poison)
    handlers.add(tasks.COMPUTING, probes.computing)
    handlers.add(tasks.MOMENT, probes.moment)
    return handlers


class Probes:
    """Constructor: what the worker opened."""

    def __init__(self, resources: Resources) -> None:
        self._sessions = resources.sessions

    async def effect(self, run: JobRun[Effect]) -> None:
        """Works, and leaves its row in the job's last transaction."""
        async with run.transaction() as session:
            await leave(session, run, "probe_effects", run.payload.note)
            # With the row written and not committed: the worst moment to be killed.
            await asyncio.sleep(run.payload.seconds)

    async def watched(self, run: JobRun[Effect]) -> None:
        """The same, and its start is seen."""
        await self._leave_start(run)
        await asyncio.sleep(run.payload.seconds)
        async with run.transaction() as session:
            await leave(session, run, "probe_effects", run.payload.note)

    async def late_writer(self, run: JobRun[Effect]) -> None:
        """Writes in the end whatever it is told meanwhile, and tells when it was refused."""
        await self._leave_start(run)
        # Not asyncio's sleep, which could be cancelled; the loop stays free for the heartbeat.
        await asyncio.shield(asyncio.create_task(self._write_late(run)))

    async def _write_late(self, run: JobRun[Effect]) -> None:
        await asyncio.sleep(run.payload.seconds)
        try:
            async with run.transaction() as session:
                await leave(session, run, "probe_effects", run.payload.note)
        except LostLease:
            async with self._sessions.begin() as session:
                await session.execute(
                    text("INSERT INTO probe_refusals VALUES (:job_id, :attempt, :pid)"), whose(run)
                )
            raise

    async def poison(self, run: JobRun[Nothing]) -> None:
        """Takes its worker with it."""
        await self._leave_start(run)
        os.kill(os.getpid(), signal.SIGKILL)

    async def computing(self, run: JobRun[Seconds]) -> int:
        """Keeps a core busy in a process of its own."""
        return int(await run.in_process(keep_busy, run.payload.seconds))

    async def moment(self, run: JobRun[Nothing]) -> float:
        """When it began: seconds since 1970, by this machine's clock."""
        return time.time()

    async def old_greeting(self, run: JobRun[OldGreeting]) -> None:
        """Greets by the one name that there was."""
        await self._greet(run, run.payload.name)

    async def new_greeting(self, run: JobRun[NewGreeting]) -> None:
        """Greets by both names."""
        await self._greet(run, f"{run.payload.first} {run.payload.last}".strip())

    async def _greet(self, run: JobRun[Any], whom: str) -> None:
        async with run.transaction() as session:
            await leave(session, run, "probe_effects", whom)

    async def _leave_start(self, run: JobRun[Any]) -> None:
        async with self._sessions.begin() as session:
            await leave(session, run, "probe_starts", "")


async def leave(session: AsyncSession, run: JobRun[Any], table: str, note: str) -> None:
    """A row of this attempt in a witness table."""
    await session.execute(
        text(f"INSERT INTO {table} (job_id, attempt, pid, note) VALUES (:job_id, :attempt, :pid, :note)"),  # noqa: S608
        {**whose(run), "note": note},
    )


def whose(run: JobRun[Any]) -> dict[str, object]:
    """Which attempt this is, and in which process."""
    return {"job_id": run.job.job_id, "attempt": run.attempt, "pid": os.getpid()}


def keep_busy(seconds: float) -> int:
    """Computes for so long; the process in which it did."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))
    return os.getpid()
