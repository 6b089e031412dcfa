"""An idle worker stays a worker, however long nothing happens and whoever cuts its idle connections."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from server.jobs import wakeups
from tests.contract.workers.conftest import Enqueue, RunningWorker
from tests.contract.workers.probes import PROBE, state_reached
from workers.job_run import JobRun

# As often as it asks Redis in an hour, for two seconds each time.
ROUNDS_OF_AN_HOUR = 1_800
CUT_POSTGRES = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE application_name LIKE 'millrace%' AND datname = current_database()
"""


async def answer(run: JobRun[Any]) -> str:
    return "done"


async def rounds(redis: Redis) -> int:
    """How often anybody has asked for a wake-up."""
    statistics = await redis.info("commandstats")
    return int(statistics.get("cmdstat_brpop", {"calls": 0})["calls"])


async def test_an_idle_hour_leaves_a_worker_fit(
    working: RunningWorker,
    enqueue: Enqueue,
    postgres: asyncpg.Connection,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After an hour's worth of waiting in vain, and idle connections cut, the next job runs at once."""
    monkeypatch.setattr(wakeups, "_BLOCK_SECONDS", 0.001)
    async with Redis.from_url(redis_url) as redis, working((PROBE, answer)):
        await state_reached(postgres, await enqueue(PROBE), "DONE")
        # Redis ends a blocked call at its next tick only, which is ten times a second.
        await redis.config_set("hz", 500)
        before = await rounds(redis)
        async with asyncio.timeout(60):
            while await rounds(redis) < before + ROUNDS_OF_AN_HOUR:
                await asyncio.sleep(0.1)
        await redis.config_set("hz", 10)
        assert await postgres.fetchval(CUT_POSTGRES) > 0
        await redis.client_kill_filter(_type="normal", skipme=True)

        await state_reached(postgres, await enqueue(PROBE), "DONE")
