"""Jobs from enqueueing to their endings, run by a real worker."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import asyncpg
from sqlalchemy import text

from server.jobs.tasks import PermanentFailure, Postponed
from tests.contract.workers.conftest import Enqueue, RunningWorker
from tests.contract.workers.probes import BRIEF, NUMBERED, PROBE, Number, state_reached
from workers.job_run import JobRun


async def test_result(working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection) -> None:
    """A job is run with its payload, and what its handler returns is kept as its result."""

    async def double(run: JobRun[Number]) -> dict[str, int]:
        return {"doubled": run.payload.number * 2}

    async with working((NUMBERED, double)):
        row = await state_reached(postgres, await enqueue(NUMBERED, Number(21)), "DONE")
    assert json.loads(row["result"]) == {"doubled": 42}
    assert (row["attempt"], row["failures"]) == (1, 0)


async def test_effect_and_completion(
    working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection
) -> None:
    """What a handler writes in its job's transaction is there exactly when the job is DONE."""
    await postgres.execute("CREATE TABLE effects (attempt int)")

    async def write(run: JobRun[Number]) -> None:
        async with run.transaction("written") as session:
            await session.execute(text("INSERT INTO effects VALUES (:attempt)"), {"attempt": run.attempt})
            if run.payload.number == 0:
                raise RuntimeError("after the effect")

    async with working((NUMBERED, write)):
        await state_reached(postgres, await enqueue(NUMBERED, Number(0)), "RETRYING")
        assert await postgres.fetchval("SELECT count(*) FROM effects") == 0
        row = await state_reached(postgres, await enqueue(NUMBERED, Number(1)), "DONE")
    assert json.loads(row["result"]) == "written"
    assert await postgres.fetchval("SELECT count(*) FROM effects") == 1


async def test_error_after_completion(
    working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection
) -> None:
    """A handler that stumbles behind its committed transaction has done its job all the same."""

    async def stumble(run: JobRun[Any]) -> None:
        async with run.transaction():
            pass
        raise RuntimeError("behind the commit")

    async with working((PROBE, stumble)):
        row = await state_reached(postgres, await enqueue(PROBE), "DONE")
    assert (row["attempt"], row["error"]) == (1, None)


async def test_failure(working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection) -> None:
    """A failure is kept with its traceback, and the job waits for its next try."""

    async def fail(run: JobRun[Any]) -> None:
        raise ValueError("no \0 good")

    async with working((PROBE, fail)):
        row = await state_reached(postgres, await enqueue(PROBE), "RETRYING")
    assert row["error"].startswith("ValueError: no ")
    assert "in fail" in row["traceback"]
    assert row["failures"] == 1


async def test_permanent_failure(
    working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection
) -> None:
    """What no repetition can help is DEAD at once."""

    async def fail(run: JobRun[Any]) -> None:
        raise PermanentFailure("never")

    async with working((PROBE, fail)):
        row = await state_reached(postgres, await enqueue(PROBE), "DEAD")
    assert row["attempt"] == 1


async def test_postponed(working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection) -> None:
    """A handler may put its job off, which is no failure."""

    async def later(run: JobRun[Any]) -> None:
        raise Postponed(60, "the partner's site is closed")

    async with working((PROBE, later)):
        row = await state_reached(postgres, await enqueue(PROBE), "SCHEDULED")
    assert row["failures"] == 0
    assert row["run_at"] > row["enqueued_at"]


async def test_time_limit(working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection) -> None:
    """A handler that passes its task's time limit is cancelled, and that is a failure."""

    async def hang(run: JobRun[Any]) -> None:
        await asyncio.Event().wait()

    async with working((BRIEF, hang)):
        row = await state_reached(postgres, await enqueue(BRIEF), "RETRYING")
    assert "longer than 0.2 s" in row["error"]


async def test_unstorable_result(
    working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection
) -> None:
    """A result that cannot be stored kills its own job only."""

    async def answer(run: JobRun[Number]) -> Any:
        return {"text": "\0"} if run.payload.number == 0 else "fine"

    async with working((NUMBERED, answer)):
        bad, good = await enqueue(NUMBERED, Number(0)), await enqueue(NUMBERED, Number(1))
        assert "NUL" in (await state_reached(postgres, bad, "DEAD"))["error"]
        await state_reached(postgres, good, "DONE")


async def test_unknown_task(working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection) -> None:
    """A task of a newer release is put back for a worker that knows it, and is no failure."""
    async with working():
        row = await state_reached(postgres, await enqueue(PROBE), "SCHEDULED")
    assert json.loads(row["history"])[0]["outcome"] == "PARKED"
    assert row["failures"] == 0


async def test_unknown_version(
    working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection
) -> None:
    """So is a payload of a newer version."""

    async def answer(run: JobRun[Any]) -> None:
        return None

    async with working((PROBE, answer), worker_queues=("bulk",)):
        job_id = await enqueue(PROBE)
        await postgres.execute("UPDATE jobs SET version = 7, queue = 'bulk'")
        await enqueue(PROBE, queue="bulk")
        row = await state_reached(postgres, job_id, "SCHEDULED")
    assert "version" in json.loads(row["history"])[0]["error"]


async def test_progress(working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection) -> None:
    """What a handler says of its progress can be read while it works, and its log too."""
    finish = asyncio.Event()

    async def tell(run: JobRun[Any]) -> None:
        run.log("began")
        await run.progress(3, 10, "counting")
        await finish.wait()
        run.log("ended")

    async with working((PROBE, tell)):
        job_id = await enqueue(PROBE)
        async with asyncio.timeout(5):
            while await postgres.fetchval("SELECT progress_done FROM jobs") is None:
                await asyncio.sleep(0.01)
        finish.set()
        row = await state_reached(postgres, job_id, "DONE")
    assert (row["progress_done"], row["progress_total"], row["progress_note"]) == (3, 10, "counting")
    assert [each["line"] for each in json.loads(row["log"])] == ["began", "ended"]


async def test_in_process(working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection) -> None:
    """A handler can compute in another process."""

    async def compute(run: JobRun[Number]) -> int:
        return await run.in_process(pow, run.payload.number, 3)

    async with working((NUMBERED, compute)):
        row = await state_reached(postgres, await enqueue(NUMBERED, Number(4)), "DONE")
    assert row["result"] == "64"
