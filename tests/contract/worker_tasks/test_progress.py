"""Progress and log of a run, however long PostgreSQL takes to write them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from server.jobs.declared import PING, Ping
from server.jobs.execution import ClaimedJob, JobExecution
from tests.contract.worker_tasks.conftest import Turn


class Stuck(JobExecution):
    """Its first save waits until it is let go."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine, worker="tester", lease=timedelta(seconds=30))
        self.reached, self.let_go = asyncio.Event(), asyncio.Event()

    async def save_progress(self, job: ClaimedJob, **what: Any) -> bool:
        if not self.reached.is_set():
            self.reached.set()
            await self.let_go.wait()
        return await super().save_progress(job, **what)


async def test_the_newest_progress_has_the_last_word(turn: Turn) -> None:
    """Saves do not overtake each other, and the last one is over only when all are."""
    turn.execution = stuck = Stuck(turn.resources.engine)
    run = await turn.begin(PING, Ping())
    run.log("began")
    await run.progress(1, 2, "halfway")
    await stuck.reached.wait()
    await run.progress(2, 2, "done")
    saving = asyncio.create_task(run.save())
    await asyncio.wait({saving}, timeout=0.3)
    stuck.let_go.set()
    await saving
    job = await turn.newest()
    assert (job.progress_done, job.progress_note) == (2, "done")
    assert [each["line"] for each in job.log] == ["began"]
