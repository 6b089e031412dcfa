"""Schedulers at work: they wake workers, outlast lost connections, replace each other, show figures."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncConnection

from millrace.streams.keys import StreamKeys
from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs
from tests.contract.scheduler.conftest import CHORE, Chore, rows
from workers.process_settings import ProcessSettings
from workers.scheduler.app import schedule

ROOT = Path(__file__).parents[3]
HOLDER_PID = """
    SELECT split_part(holder, ':', 2)::int FROM scheduler_lease WHERE held_until > clock_timestamp()
"""


async def until(met: Callable[[], Awaitable[bool]], *, within: float = 15.0) -> None:
    """Return once the condition is met; raises TimeoutError."""
    async with asyncio.timeout(within):
        while not await met():
            await asyncio.sleep(0.05)


async def get(port: int, path: str) -> tuple[int, str]:
    """Status and text of an answer; status 0 when nobody answers."""

    def ask() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=3) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""
        except OSError:
            return 0, ""

    return await asyncio.to_thread(ask)


@asynccontextmanager
async def scheduling(settings: ProcessSettings) -> AsyncIterator[None]:
    """A scheduler inside this process, without schedules, stopped gracefully when the block ends."""
    stopping = asyncio.Event()
    task = asyncio.create_task(schedule(settings, (), stopping))
    try:
        yield
    finally:
        stopping.set()
        async with asyncio.timeout(10):
            await task


@asynccontextmanager
async def scheduling_apart(settings: ProcessSettings) -> AsyncIterator[asyncio.subprocess.Process]:
    """A scheduler in a process of its own, killed when the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "workers.scheduler",
        cwd=ROOT, stdout=asyncio.subprocess.DEVNULL,
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT}:{ROOT / 'clients'}",
            "MILLRACE_POSTGRES_DSN": settings.postgres_dsn.get_secret_value(),
            "MILLRACE_REDIS_URL": settings.redis_url.get_secret_value(),
            "MILLRACE_REDIS_PREFIX": settings.redis_prefix,
        },
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("lost", [False, True], ids=["connected", "after lost connections"])
async def test_a_missed_wake_up_is_sent(
    settings: ProcessSettings,
    connection: AsyncConnection,
    jobs: Jobs,
    sessions: Sessions,
    lost: bool,
) -> None:
    """Workers of a queue with a READY job hear of it, also when PostgreSQL threw the scheduler out before."""
    wakeups = StreamKeys(settings.redis_prefix).wakeups("bulk")

    async with scheduling(settings), Redis.from_url(settings.redis_url.get_secret_value()) as redis:
        if lost:
            await until(lambda: _any(connection, HOLDER_PID))
            await rows(
                connection,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'millrace scheduler' AND datname = current_database()",
            )
        async with sessions.begin() as session:
            await jobs.enqueue(session, CHORE, Chore(), queue="bulk")

        async def woken() -> bool:
            return bool(await redis.exists(wakeups))

        await until(woken, within=5)


async def test_operators_see_what_waits(
    settings: ProcessSettings,
    connection: AsyncConnection,
    jobs: Jobs,
    sessions: Sessions,
    unused_port: int,
) -> None:
    """The acting scheduler is ready, counts open and dead jobs by queue, and tells of paused queues."""
    async with sessions.begin() as session:
        await jobs.enqueue(session, CHORE, Chore(), queue="bulk")
        await jobs.enqueue(session, CHORE, Chore(), queue="images")
    await rows(connection, "UPDATE jobs SET run_at = now() - interval '100 seconds'")
    await rows(connection, "UPDATE jobs SET state = 'DEAD', finished_at = now() WHERE queue = 'images'")
    await rows(connection, "INSERT INTO job_queues (queue, paused_at) VALUES ('default', now())")

    async with scheduling(settings.model_copy(update={"metrics_port": unused_port})):

        async def counted() -> bool:
            return (
                'millrace_jobs_open{queue="bulk",state="READY"} 1.0'
                in (await get(unused_port, "/metrics"))[1]
            )

        await until(counted)
        assert await get(unused_port, "/healthz") == (200, '{"status": "alive"}')
        assert await get(unused_port, "/readyz") == (200, '{"postgres": "ok"}')
        _, metrics = await get(unused_port, "/metrics")
        assert "millrace_scheduler_acting 1.0" in metrics
        assert 'millrace_jobs_oldest_ready_seconds{queue="bulk"} 10' in metrics
        assert 'millrace_jobs_open{queue="critical",state="READY"} 0.0' in metrics
        assert 'millrace_jobs_dead{queue="images"} 1.0' in metrics
        assert 'millrace_jobs_dead{queue="bulk"} 0.0' in metrics
        assert 'millrace_queue_paused{queue="default"} 1.0' in metrics
        assert 'millrace_queue_paused{queue="bulk"} 0.0' in metrics


async def test_a_frozen_scheduler_is_replaced(settings: ProcessSettings, connection: AsyncConnection) -> None:
    """A leader stopped by SIGSTOP is replaced once its lease ends; woken, it stands by; SIGTERM ends it."""
    async with scheduling_apart(settings) as one, scheduling_apart(settings) as other:
        await until(lambda: _any(connection, HOLDER_PID))
        [(leader,)] = await rows(connection, HOLDER_PID)
        frozen, standby = (one, other) if leader == one.pid else (other, one)
        frozen.send_signal(signal.SIGSTOP)

        await until(lambda: _is(connection, standby.pid), within=8)

        frozen.send_signal(signal.SIGCONT)
        standby.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(standby.wait(), 5) == 0
        # It gave the lease back, so nobody waits for its end.
        await until(lambda: _is(connection, frozen.pid), within=3)


async def _any(connection: AsyncConnection, statement: str) -> bool:
    return bool(await rows(connection, statement))


async def _is(connection: AsyncConnection, pid: int) -> bool:
    return await rows(connection, HOLDER_PID) == [(pid,)]
