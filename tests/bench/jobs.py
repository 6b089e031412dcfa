"""What a job costs: through the whole queue, from a backlog, and when nothing else is going on.

Beside each stands plain Taskiq: a message for each job on a list of the same Redis, nothing written down.
"""

import asyncio
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from redis.asyncio import Redis

from server.db.migrations import upgrade
from server.standalone.backing.postgres import DURABLE, running_postgres
from server.standalone.backing.redis import running_redis
from tests.bench.plain_taskiq import BEGAN, PlainJobs
from tests.bench.processes import cpu_seconds
from tests.bench.rows import Row, at_least, at_most
from tests.jobs_probe.ground import Ground
from tests.jobs_probe.tasks import EFFECT, MOMENT, Nothing

ROOT = Path(__file__).resolve().parents[2]
JOBS = 2_000
BACKLOG = 10_000
SINGLE_JOBS = 200
CALLERS = 8
ROUNDS = 3

_FILL = """
    WITH added AS (
        INSERT INTO jobs (job_id, task, version, payload, queue, state)
        SELECT gen_random_uuid(), :task, 1, '{}', 'default', 'READY' FROM generate_series(1, :count)
        RETURNING queue, enqueued_at
    )
    INSERT INTO job_ledger (queue, hour, kind, jobs)
    SELECT queue, date_trunc('hour', enqueued_at, 'UTC'), 'ENQUEUED', count(*) FROM added GROUP BY 1, 2
"""


async def measure() -> list[Row]:
    """Start servers of its own, which write everything to disk, and measure; about a minute."""
    folder = Path(tempfile.mkdtemp(prefix="millrace-bench-"))
    folder.chmod(0o711)
    try:
        async with (
            running_postgres(folder, settings=DURABLE) as (postgres, _),
            running_redis(folder) as (redis, _),
        ):
            await upgrade(postgres.dsn())
            async with Ground(postgres.dsn(), redis.url, "bench", folder, lease=30.0) as ground:
                return await measure_on(ground, redis.url)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def measure_on(ground: Ground, redis_url: str) -> list[Row]:
    """Measure on a migrated ground without jobs; one worker and one scheduler, as in a small installation."""
    through, plain_through, backlog, own, plain_backlog, cpu = [], [], [], [], [], []
    worker = await ground.start_worker()
    await ground.start_scheduler()
    for _ in range(ROUNDS):  # in turn, so that a busy moment of the machine hits all alike
        through.append(await enqueued_and_finished(ground))
        plain_through.append(await plain_enqueued_and_finished(redis_url))
        rate, seconds = await from_backlog(ground, worker.pid, MOMENT.name, BACKLOG)
        backlog.append(rate)
        cpu.append(1000 * seconds / BACKLOG)
        own.append((await from_backlog(ground, worker.pid, EFFECT.name, JOBS))[0])
        plain_backlog.append(await plain_from_backlog(redis_url))
    await empty(ground)
    waits = await start_latencies(ground)
    plain_waits = await plain_start_latencies(redis_url)
    percentile = quantiles(waits, n=20)[-1]
    plain = f"plain Taskiq p50 {median(plain_waits):.1f} ms, p95 {quantiles(plain_waits, n=20)[-1]:.1f} ms"
    beside = f"plain Taskiq, nothing durable: {median(plain_backlog):,.0f} jobs/s"
    return [
        at_least(
            "jobs enqueued and finished, one worker", median(through), 1_000, "jobs/s",
            f"plain Taskiq, nothing durable: {median(plain_through):,.0f} jobs/s",
        ),
        at_least("jobs from a backlog, one worker", median(backlog), 3_000, "jobs/s", beside),
        Row("the same, each with a transaction of its own", round(median(own)), "jobs/s", beside),
        Row("CPU of the worker for a job of a backlog", round(median(cpu), 3), "ms"),
        Row("start of a job when idle, p50", round(median(waits), 2), "ms", plain),
        at_most("start of a job when idle, p95", percentile, 15, "ms", plain),
    ]  # fmt: skip


async def empty(ground: Ground) -> None:
    """No job, and none of the work that PostgreSQL does after many."""
    await ground.change("TRUNCATE jobs, job_ledger, probe_effects")
    await ground.change("CHECKPOINT")


async def enqueued_and_finished(ground: Ground) -> float:
    """Jobs per second from the first enqueue to the last end, each in a transaction of its own."""
    await empty(ground)
    await by_callers(lambda: ground.enqueue(MOMENT, Nothing()))
    await ground.until_finished(within=60)
    took = await ground.value("SELECT EXTRACT(epoch FROM max(finished_at) - min(enqueued_at)) FROM jobs")
    return JOBS / float(took)


async def by_callers(enqueue: Callable[[], Awaitable[object]]) -> None:
    """JOBS calls, by CALLERS at a time."""

    async def call() -> None:
        for _ in range(JOBS // CALLERS):
            await enqueue()

    async with asyncio.TaskGroup() as callers:
        for _ in range(CALLERS):
            callers.create_task(call())


async def from_backlog(ground: Ground, worker: int, task: str, count: int) -> tuple[float, float]:
    """Jobs per second of a waiting backlog, by PostgreSQL's clock, and the worker's CPU seconds for it."""
    await empty(ground)
    await ground.change(_FILL, task=task, count=count)
    before = cpu_seconds([worker])
    await ground.until_finished(within=120)
    used = cpu_seconds([worker]) - before
    took = await ground.value("SELECT EXTRACT(epoch FROM max(finished_at) - min(started_at)) FROM jobs")
    return count / float(took), used


async def start_latencies(ground: Ground) -> list[float]:
    """Milliseconds from the caller's commit to the handler's first line, one job at a time."""
    waits = []
    for _ in range(SINGLE_JOBS):
        job_id = await ground.enqueue(MOMENT, Nothing())
        committed_at = time.time()
        await asyncio.sleep(0.02)
        began_at = await ground.until(
            "SELECT CAST(result AS text) FROM jobs WHERE job_id = :id AND state = 'DONE'",
            within=10, id=job_id,
        )  # fmt: skip
        waits.append(1000 * (float(began_at) - committed_at))
    return waits


async def plain_enqueued_and_finished(redis_url: str) -> float:
    """The same of plain Taskiq: no row is written."""
    jobs = PlainJobs(redis_url)
    async with plain_worker(redis_url, JOBS) as worker:
        began_at = time.time()
        await by_callers(jobs.moment.kiq)
        _, ended_at = await times_of(worker)
    await jobs.broker.shutdown()
    return JOBS / (ended_at - began_at)


async def plain_from_backlog(redis_url: str) -> float:
    """The same of plain Taskiq, from messages that wait."""
    jobs = PlainJobs(redis_url)
    async with plain_worker(redis_url, JOBS) as worker:
        worker.send_signal(signal.SIGSTOP)
        await by_callers(jobs.moment.kiq)
        worker.send_signal(signal.SIGCONT)
        began_at, ended_at = await times_of(worker)
    await jobs.broker.shutdown()
    return JOBS / (ended_at - began_at)


async def plain_start_latencies(redis_url: str) -> list[float]:
    """The same of plain Taskiq, from the end of the push."""
    jobs, waits = PlainJobs(redis_url), []
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(Redis.from_url(redis_url))
        await stack.enter_async_context(plain_worker(redis_url, 0))
        stack.push_async_callback(jobs.broker.shutdown)
        for _ in range(SINGLE_JOBS):
            await jobs.seen.kiq()
            pushed_at = time.time()
            reply: Any = await redis.brpop([BEGAN], timeout=10)
            waits.append(1000 * (float(reply[1]) - pushed_at))
            await asyncio.sleep(0.02)
    return waits


@asynccontextmanager
async def plain_worker(redis_url: str, count: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker of plain Taskiq that is connected."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.plain_taskiq", redis_url, str(count),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert await line_of(process) == "ready"
        yield process
    finally:
        process.kill()
        await process.wait()


async def times_of(worker: asyncio.subprocess.Process) -> tuple[float, float]:
    """When it began its first job and ended its last."""
    began_at, ended_at = map(float, (await line_of(worker)).split())
    return began_at, ended_at


async def line_of(worker: asyncio.subprocess.Process) -> str:
    """The next line that it says."""
    assert worker.stdout is not None
    return (await asyncio.wait_for(worker.stdout.readline(), 60)).decode().strip()
