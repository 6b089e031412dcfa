"""How runs end from outside: a stopping worker, an operator's wish, a lost lease."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from tests.contract.workers.conftest import Enqueue, RunningWorker
from tests.contract.workers.probes import BULK, PROBE, state_reached
from workers.job_run import JobRun


class Hanging:
    """A handler that says when it began, and ends when told to or never."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.finish = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __call__(self, run: JobRun[Any]) -> str:
        self.began.set()
        try:
            await self.finish.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return "finished"


@pytest.fixture
def hanging() -> Hanging:
    return Hanging()


async def test_grace(
    working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection, hanging: Hanging
) -> None:
    """A stopping worker lets a running job finish within the grace period, and claims nothing more."""
    async with working((PROBE, hanging)):
        job_id = await enqueue(PROBE)
        await hanging.began.wait()
        asyncio.get_running_loop().call_later(0.3, hanging.finish.set)
    assert (await state_reached(postgres, job_id, "DONE"))["attempt"] == 1
    late = await enqueue(PROBE)
    assert await postgres.fetchval("SELECT state FROM jobs WHERE job_id = $1", late) == "READY"


async def test_release(
    working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection, hanging: Hanging
) -> None:
    """What takes longer goes back at once, READY and without a failure."""
    async with working((PROBE, hanging), worker_grace_seconds=0.1):
        job_id = await enqueue(PROBE)
        await hanging.began.wait()
    row = await postgres.fetchrow("SELECT * FROM jobs WHERE job_id = $1", job_id)
    assert (row["state"], row["failures"], row["expiries"]) == ("READY", 0, 0)
    assert json.loads(row["history"])[0]["outcome"] == "RELEASED"
    assert hanging.cancelled.is_set()


async def test_cancel(
    working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection, hanging: Hanging
) -> None:
    """A running job that an operator wants stopped is cancelled within seconds."""
    async with working((PROBE, hanging)):
        job_id = await enqueue(PROBE)
        await hanging.began.wait()
        await postgres.execute("UPDATE jobs SET cancel_requested_at = clock_timestamp()")
        await state_reached(postgres, job_id, "CANCELLED")
    assert hanging.cancelled.is_set()


async def test_lease_is_renewed(
    working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection, hanging: Hanging
) -> None:
    """A job that takes longer than its lease keeps it."""
    async with working((PROBE, hanging), job_lease_seconds=1.0):
        job_id = await enqueue(PROBE)
        await hanging.began.wait()
        first = await postgres.fetchval("SELECT lease_until FROM jobs")
        async with asyncio.timeout(5):
            while await postgres.fetchval("SELECT lease_until FROM jobs") <= first:
                await asyncio.sleep(0.05)
        hanging.finish.set()
        await state_reached(postgres, job_id, "DONE")


async def test_lost_lease(
    working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection, hanging: Hanging
) -> None:
    """The handler of a job that is another's by now is cancelled, and writes nothing."""
    async with working((PROBE, hanging), job_lease_seconds=1.0):
        job_id = await enqueue(PROBE)
        await hanging.began.wait()
        await postgres.execute("UPDATE jobs SET attempt = attempt + 1, worker = 'another'")
        async with asyncio.timeout(5):
            await hanging.cancelled.wait()
    row = await postgres.fetchrow("SELECT * FROM jobs WHERE job_id = $1", job_id)
    assert (row["state"], row["worker"], row["error"]) == ("RUNNING", "another", None)


async def test_late_writer(working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection) -> None:
    """A transaction of a run whose job is another's by now leaves nothing behind."""
    await postgres.execute("CREATE TABLE effects (attempt int)")
    refused = asyncio.Event()

    async def write_late(run: JobRun[Any]) -> None:
        await postgres.execute("UPDATE jobs SET attempt = attempt + 1, worker = 'another'")
        try:
            async with run.transaction() as session:
                await session.execute(text("INSERT INTO effects VALUES (:attempt)"), {"attempt": run.attempt})
        finally:
            refused.set()

    async with working((PROBE, write_late)):
        job_id = await enqueue(PROBE)
        async with asyncio.timeout(5):
            await refused.wait()
    assert await postgres.fetchval("SELECT count(*) FROM effects") == 0
    assert await postgres.fetchval("SELECT worker FROM jobs WHERE job_id = $1", job_id) == "another"


async def test_suspects(working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection) -> None:
    """Jobs that were running when a worker died are run one at a time, beside the others."""
    at_once: list[int] = []
    running = 0

    async def count(run: JobRun[Any]) -> None:
        nonlocal running
        running += 1
        at_once.append(running)
        await asyncio.sleep(0.02)
        running -= 1

    for _ in range(5):
        await enqueue(PROBE)
    await postgres.execute("UPDATE jobs SET expiries = 1")
    async with working((PROBE, count)):
        for row in await postgres.fetch("SELECT job_id FROM jobs"):
            await state_reached(postgres, row["job_id"], "DONE")
    assert at_once == [1] * 5


async def test_foreign_queues(
    working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection, hanging: Hanging
) -> None:
    """A worker leaves alone what it does not serve."""
    hanging.finish.set()
    async with working((PROBE, hanging), (BULK, hanging), worker_queues=("default",)):
        foreign, own = await enqueue(BULK), await enqueue(PROBE)
        await state_reached(postgres, own, "DONE")
        assert await postgres.fetchval("SELECT state FROM jobs WHERE job_id = $1", foreign) == "READY"
