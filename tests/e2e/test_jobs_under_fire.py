"""Workers, Redis and PostgreSQL die while jobs run: every effect is there once and the queue goes on.

MILLRACE_CHAOS_ROUNDS makes these as long as they are meant (`make chaos`): 10,000 jobs and fifty kills.
"""

import asyncio
import os
import random
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from server.db.migrations import upgrade
from server.standalone.backing.postgres import running_postgres
from server.standalone.backing.redis import running_redis
from server.standalone.children import running
from tests.jobs_probe.ground import Ground
from tests.jobs_probe.tasks import EFFECT, LATE_WRITER, POISON, WATCHED, Effect, Nothing

IS_LONG = "MILLRACE_CHAOS_ROUNDS" in os.environ
JOBS, KILLS = (10_000, 50) if IS_LONG else (1_000, 5)
OUTAGES = int(os.environ.get("MILLRACE_CHAOS_ROUNDS", "1"))
PATIENCE = 300.0 if IS_LONG else 60.0


@pytest.fixture
async def ground(
    postgres_dsn: str, redis_url: str, redis_prefix: str, tmp_path: Path
) -> AsyncIterator[Ground]:
    async with Ground(postgres_dsn, redis_url, redis_prefix, tmp_path) as ground:
        yield ground


def short_jobs(count: int) -> list[Effect]:
    """Jobs of up to 20 ms, long enough for a kill to strike between their row and their commit."""
    return [Effect(seconds=random.uniform(0, 0.02)) for _ in range(count)]  # noqa: S311


async def test_killed_workers_lose_and_double_nothing(ground: Ground) -> None:
    """Whoever wrote the last effect is killed, again and again; each job has its one effect in the end."""
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(ground.kept_worker()) for _ in range(2)]
        await ground.start_scheduler(ready=False)
        await ground.enqueue_many(EFFECT, short_jobs(JOBS))
        for kill in range(KILLS):
            await until_effects(ground, int((kill + random.random()) * JOBS * 0.9 / KILLS) + 1)  # noqa: S311
            await kill_the_last_writer(ground)
        await ground.until_finished(within=PATIENCE)
        # One that was running at three of the kills counts as the killer until somebody looks at it.
        await ground.replay_dead()
        await ground.until_finished(within=PATIENCE)
        assert sum(worker.deaths for worker in workers) == KILLS
    await ground.assert_every_effect_once(JOBS)
    rerun = await ground.value("SELECT count(*) FROM jobs WHERE task = 'probe.effect' AND attempt > 1")
    print(f"\n{KILLS} kills hit {rerun} running jobs of {JOBS}")
    assert rerun > 0


async def until_effects(ground: Ground, count: int) -> None:
    await ground.until("SELECT count(*) >= :count FROM probe_effects", within=PATIENCE, count=count)


async def kill_the_last_writer(ground: Ground) -> None:
    """Kills the process of the newest effect. Each is killed once: a new one has to write first."""
    pid = await ground.until(
        """
        SELECT pid FROM probe_effects WHERE pid <> ALL (CAST(:dead AS int[])) ORDER BY at DESC LIMIT 1
        """,
        within=PATIENCE,
        dead=ground.killed,
    )
    ground.killed.append(pid)
    os.kill(pid, signal.SIGKILL)


async def test_a_job_that_kills_its_worker_is_dead_after_three(ground: Ground) -> None:
    """It takes three workers with it and no more; what waited beside it is done."""
    ground.lease = 1.0
    async with ground.kept_worker() as first, ground.kept_worker() as second:
        await ground.start_scheduler(ready=False)
        poison = await ground.enqueue(POISON, Nothing())
        await ground.enqueue_many(EFFECT, short_jobs(100))
        states = await ground.until_finished(within=PATIENCE)
        assert first.deaths + second.deaths == 3
    assert states == {"DONE": 100, "DEAD": 1}
    [(state, attempt, error)] = await ground.rows(
        "SELECT state, attempt, error FROM jobs WHERE job_id = :poison", poison=poison
    )
    assert (state, attempt) == ("DEAD", 3)
    assert "died" in error
    await ground.assert_ledger_agrees()


async def test_a_worker_that_wakes_after_its_lease_is_refused(ground: Ground) -> None:
    """Frozen for three leases, it finds its job done by another; what it still writes is rolled back."""
    ground.lease = 1.0
    frozen, _ = await asyncio.gather(ground.start_worker(ready=False), ground.start_scheduler(ready=False))
    job_id = await ground.enqueue(LATE_WRITER, Effect(seconds=0.5))
    await ground.until_started(job_id, within=20)
    frozen.signal(signal.SIGSTOP)
    other, _ = await asyncio.gather(ground.start_worker(), asyncio.sleep(3 * ground.lease))
    await ground.until_finished(within=20)
    frozen.signal(signal.SIGCONT)
    refused = await ground.until("SELECT pid FROM probe_refusals WHERE attempt = 1", within=20)

    assert refused == frozen.pid
    assert await ground.rows("SELECT attempt, pid FROM probe_effects") == [(2, other.pid)]
    await ground.assert_every_effect_once(1)


async def test_a_job_of_a_dead_worker_runs_again_on_an_idle_queue(ground: Ground) -> None:
    """Nothing else is ever enqueued, and an idle worker has it within the lease and ten seconds."""
    worker, _ = await asyncio.gather(ground.start_worker(ready=False), ground.start_scheduler())
    job_id = await ground.enqueue(WATCHED, Effect(seconds=3.0))
    await ground.until_started(job_id, within=20)
    await ground.start_worker()
    worker.signal(signal.SIGKILL)
    killed_at = await ground.value("SELECT clock_timestamp()")

    await ground.until_started(job_id, attempt=2, within=ground.lease + 10)
    again_at = await ground.value("SELECT at FROM probe_starts WHERE attempt = 2")
    print(
        f"\nrun again {(again_at - killed_at).total_seconds():.1f} s after the kill, lease {ground.lease} s"
    )
    await ground.until_finished(within=20)
    await ground.assert_every_effect_once(1)


async def test_redis_that_loses_everything_loses_no_job(
    postgres_dsn: str, redis_prefix: str, tmp_path: Path
) -> None:
    """Emptied, killed, away, and back without its files: all jobs finish, and new ones start at once."""
    async with AsyncExitStack() as stack:
        server, child = await stack.enter_async_context(running_redis(tmp_path))
        ground = await stack.enter_async_context(Ground(postgres_dsn, server.url, redis_prefix, tmp_path))
        await asyncio.gather(ground.start_worker(), ground.start_scheduler(ready=False))
        for outage in range(1, OUTAGES + 1):
            await ground.enqueue_many(EFFECT, short_jobs(JOBS // 2))
            await until_effects(ground, JOBS * (outage - 1) + 50)
            child.signal(signal.SIGKILL)
            await child.wait()
            shutil.rmtree(server.folder / "appendonlydir")
            await ground.enqueue_many(EFFECT, short_jobs(JOBS // 2))
            await asyncio.sleep(0.5)
            child = await stack.enter_async_context(running(child.spec))
            await ground.until_finished(within=PATIENCE)
        await ground.assert_every_effect_once(JOBS * OUTAGES)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that PostgreSQL's account can reach also when the tests run as root."""
    with tempfile.TemporaryDirectory(prefix="millrace-test-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)


async def test_a_crash_of_postgres_loses_no_job(redis_url: str, redis_prefix: str, open_folder: Path) -> None:
    """Workers and scheduler come back by themselves; every job that was committed has its one effect."""
    async with AsyncExitStack() as stack:
        server, child = await stack.enter_async_context(running_postgres(open_folder))
        await upgrade(server.dsn())
        ground = await stack.enter_async_context(Ground(server.dsn(), redis_url, redis_prefix, open_folder))
        worker, scheduler = await asyncio.gather(ground.start_worker(), ground.start_scheduler(ready=False))
        for outage in range(1, OUTAGES + 1):
            await ground.enqueue_many(EFFECT, short_jobs(JOBS))
            await until_effects(ground, JOBS * (outage - 1) + 50)
            child.signal(signal.SIGQUIT)  # its immediate shutdown: no checkpoint, nobody is told anything
            await child.wait()
            await asyncio.sleep(1)
            child = await stack.enter_async_context(running(child.spec))
            await ground.until_finished(within=PATIENCE)
        await ground.assert_every_effect_once(JOBS * OUTAGES)
        assert (worker.returncode, scheduler.returncode) == (None, None)
