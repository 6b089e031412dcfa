"""What a worker tells operators: metrics, readiness, and one log line per failure."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import structlog
from aiohttp import ClientSession

from tests.contract.workers.conftest import Enqueue, RunningWorker
from tests.contract.workers.probes import PROBE, state_reached
from workers.job_run import JobRun


async def test_metrics(
    working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection, unused_port: int
) -> None:
    """Ended runs are counted by queue, task and outcome, and runs after an expiry apart."""

    async def answer(run: JobRun[Any]) -> None:
        return None

    await enqueue(PROBE)
    await postgres.execute("UPDATE jobs SET expiries = 1")
    async with working((PROBE, answer), metrics_port=unused_port), ClientSession() as http:
        job_id = await postgres.fetchval("SELECT job_id FROM jobs")
        await state_reached(postgres, job_id, "DONE")
        async with asyncio.timeout(5):
            url = f"http://127.0.0.1:{unused_port}/"
            while (await http.get(url + "readyz")).status != 200:
                await asyncio.sleep(0.02)
            metrics = await (await http.get(url + "metrics")).text()
    assert 'millrace_job_runs_total{outcome="done",queue="default",task="tests.probe"} 1.0' in metrics
    assert 'millrace_job_duplicate_runs_total{queue="default",task="tests.probe"} 1.0' in metrics
    assert "millrace_job_wait_seconds_bucket" in metrics


async def test_one_line_per_failure(
    working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection
) -> None:
    """A failure is logged once, with the job's id and the id of the request that enqueued it."""

    async def fail(run: JobRun[Any]) -> None:
        raise ValueError("no good")

    with (
        structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines,
        structlog.contextvars.bound_contextvars(request_id="r-1"),
    ):
        job_id = await enqueue(PROBE)
        structlog.contextvars.clear_contextvars()
        async with working((PROBE, fail)):
            await state_reached(postgres, job_id, "RETRYING")
    (line,) = [line for line in lines if line["event"] == "job_failed"]
    assert (line["job_id"], line["request_id"], line["attempt"]) == (str(job_id), "r-1", 1)
