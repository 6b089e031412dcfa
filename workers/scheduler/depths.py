"""The gauges of what waits in the queues, kept by the scheduler that acts, beside its ticks."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.ext.asyncio import AsyncEngine

from server.jobs.models import OPEN, JobState
from server.jobs.queues import QUEUES
from workers.patience import POSTGRES_FAILURES
from workers.retries import wait_unless
from workers.scheduler.metrics import SchedulerMetrics
from workers.scheduler.scheduler import Scheduler

PERIOD_SECONDS: Final = 10.0
_MEASURE_SECONDS: Final = 10.0
# Counting a backlog of millions takes seconds: then it is done more rarely, not all the time.
_REST_TO_WORK: Final = 50

_DEPTHS = text("""
    SELECT queue, state, count(*) AS jobs,
        greatest(0, extract(epoch FROM clock_timestamp() - min(run_at)))::float8 AS oldest_seconds
    FROM jobs WHERE state = ANY(:states) GROUP BY queue, state
""").bindparams(bindparam("states", type_=ARRAY(TEXT)))

_PAUSED = text("SELECT queue FROM job_queues WHERE paused_at IS NOT NULL")

# Dead jobs are finished, and yet somebody has to look at them.
_COUNTED: Final = (*OPEN, JobState.DEAD)


async def watch_depths(
    engine: AsyncEngine, scheduler: Scheduler, metrics: SchedulerMetrics, stopping: asyncio.Event
) -> None:
    """Keep the gauges current until asked to stop; a standby, and one that cannot know, shows none."""
    while not stopping.is_set():
        await scheduler.wait_until_acting(stopping)
        begun = time.monotonic()
        try:
            async with asyncio.timeout(_MEASURE_SECONDS):
                await measure_depths(engine, metrics)
        except POSTGRES_FAILURES:
            clear_depths(metrics)
        if not scheduler.acting:
            clear_depths(metrics)
        took = time.monotonic() - begun
        await wait_unless(stopping, max(PERIOD_SECONDS, took * _REST_TO_WORK))


async def measure_depths(engine: AsyncEngine, metrics: SchedulerMetrics) -> None:
    """Set the gauges to what is stored now; a known queue without jobs shows zeros."""
    async with engine.connect() as connection:
        rows = (await connection.execute(_DEPTHS, {"states": [state.value for state in _COUNTED]})).all()
        paused = (await connection.execute(_PAUSED)).scalars().all()
    clear_depths(metrics)
    for queue in QUEUES:
        metrics.oldest_ready.labels(queue).set(0)
        metrics.paused.labels(queue).set(queue in paused)
        metrics.dead.labels(queue).set(0)
        for state in OPEN:
            metrics.open.labels(queue, state.value).set(0)
    for queue, state, jobs, oldest_seconds in rows:
        if state == JobState.DEAD:
            metrics.dead.labels(queue).set(jobs)
        else:
            metrics.open.labels(queue, state).set(jobs)
        if state == JobState.READY:
            metrics.oldest_ready.labels(queue).set(oldest_seconds)


def clear_depths(metrics: SchedulerMetrics) -> None:
    """Show no queue: what was known is no longer so, or is for another scheduler to say."""
    for gauge in (metrics.open, metrics.dead, metrics.paused, metrics.oldest_ready):
        gauge.clear()
