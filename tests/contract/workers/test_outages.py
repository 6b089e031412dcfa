"""PostgreSQL and Redis may die under a worker; it goes on by itself, and no job is lost."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from server.db.engine import Sessions, make_engine, make_sessions
from server.db.migrations import upgrade
from server.jobs.enqueueing import Jobs
from server.jobs.wakeups import Nudger, make_broker
from server.standalone.backing.postgres import running_postgres
from server.standalone.backing.redis import running_redis
from server.standalone.children import Child, running
from tests.contract.workers.conftest import RunningWorker
from tests.contract.workers.probes import NUMBERED, PROBE, Nothing, Number, state_reached
from workers.job_run import JobRun

RESUMES_WITHIN_SECONDS = 10


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where servers that a test kills keep their files, reachable for PostgreSQL's account."""
    path = Path(tempfile.mkdtemp(prefix="millrace-worker-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


async def answer(run: JobRun[Any]) -> str:
    return "done"


async def test_redis_away(
    working: RunningWorker,
    folder: Path,
    sessions: Sessions,
    postgres: asyncpg.Connection,
    redis_prefix: str,
) -> None:
    """Without Redis a worker finds work by looking; once Redis is back, it hears of it again."""

    async with (
        running_redis(folder) as (server, child),
        Nudger(make_broker(server.url, redis_prefix)) as nudger,
    ):
        jobs = Jobs(nudger.nudge)

        async def enqueue() -> Any:
            async with sessions.begin() as session:
                return await jobs.enqueue(session, PROBE, Nothing())

        async with working((PROBE, answer), redis_url=SecretStr(server.url)):
            await state_reached(postgres, await enqueue(), "DONE")
            await _kill(child)
            await state_reached(postgres, await enqueue(), "DONE")
            async with running(child.spec):
                await state_reached(postgres, await enqueue(), "DONE")


async def test_postgres_killed_under_load(working: RunningWorker, folder: Path, redis_url: str) -> None:
    """kill -9 of PostgreSQL in mid-run and its restart leave every job DONE, by the same worker."""

    async def work(run: JobRun[Number]) -> int:
        await asyncio.sleep(0.01)
        return run.payload.number

    async with running_postgres(folder) as (server, child):
        await upgrade(server.dsn())
        await _enqueue_numbers(server.dsn(), 600)
        postgres = await asyncpg.connect(server.dsn())
        async with working((NUMBERED, work), postgres_dsn=SecretStr(server.dsn()), job_lease_seconds=1.0):
            while await postgres.fetchval("SELECT count(*) FROM jobs WHERE state = 'DONE'") < 100:
                await asyncio.sleep(0.01)
            await _kill(child)
            async with running(child.spec):
                returned_at = time.monotonic()
                await _until_all_done(server.dsn())
                assert time.monotonic() - returned_at < RESUMES_WITHIN_SECONDS


async def _enqueue_numbers(dsn: str, count: int) -> None:
    engine = make_engine(dsn)
    jobs = Jobs(lambda queue: None)
    async with make_sessions(engine).begin() as session:
        for number in range(count):
            await jobs.enqueue(session, NUMBERED, Number(number))
    await engine.dispose()


async def _until_all_done(dsn: str) -> None:
    """Wait for it; plays the relay, since a claim whose answer was lost comes back by its lease."""
    postgres = await asyncpg.connect(dsn)
    while await postgres.fetchval("SELECT count(*) FROM jobs WHERE state <> 'DONE'"):
        await postgres.execute(
            "UPDATE jobs SET state = 'READY', expiries = expiries + 1, lease_until = NULL "
            "WHERE state = 'RUNNING' AND lease_until < clock_timestamp()"
        )
        await asyncio.sleep(0.05)
    await postgres.close()


async def _kill(child: Child) -> None:
    child.signal(signal.SIGKILL)
    await child.wait()
