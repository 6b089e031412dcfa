"""Pruning: old finished jobs go, and the ledger shrinks without saying anything else."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from server.db.engine import Sessions
from server.jobs.models import JobState
from server.jobs.prove import prove
from server.jobs.pruning import DEAD, UNEVENTFUL, Pruning
from tests.contract.jobs.conftest import rows

WEEK = timedelta(days=7)

# Jobs of an age in days, in the state they ended in, with the ledger as the queue itself would write it.
_ADD = text("""
    WITH added AS (
        INSERT INTO jobs (job_id, task, version, payload, queue, state, enqueued_at, finished_at)
        SELECT gen_random_uuid(), 'test.letter', 1, '{}', :queue, :state,
            now() - make_interval(days => :days),
            CASE WHEN :state IN ('DONE', 'DEAD', 'CANCELLED') THEN now() - make_interval(days => :days) END
        FROM generate_series(1, :jobs)
        RETURNING queue, date_trunc('hour', enqueued_at, 'UTC') AS hour, finished_at
    )
    INSERT INTO job_ledger (queue, hour, kind, jobs)
    SELECT queue, hour, 'ENQUEUED', 1 FROM added
    UNION ALL SELECT queue, hour, 'FINISHED', 1 FROM added WHERE finished_at IS NOT NULL
""")


async def add(
    sessions: Sessions, state: JobState, *, days: int, jobs: int = 1, queue: str = "default"
) -> None:
    async with sessions.begin() as session:
        values = {"queue": queue, "state": state.value, "days": days, "jobs": jobs}
        await session.execute(_ADD, values)


async def left(engine: AsyncEngine) -> list[tuple[object, ...]]:
    return await rows(engine, "SELECT queue, state, count(*) FROM jobs GROUP BY 1, 2 ORDER BY 1, 2")


async def unproven(engine: AsyncEngine) -> list[str]:
    return [str(each) for balance in await prove(engine) for each in balance.differences()]


async def test_old_finished_jobs_go_and_all_others_stay(engine: AsyncEngine, sessions: Sessions) -> None:
    """Age counts from the end; open jobs stay however old, dead ones when they were not asked for."""
    for state in JobState:
        if state is not JobState.RUNNING:
            await add(sessions, state, days=8)
    await add(sessions, JobState.DONE, days=6)
    await add(sessions, JobState.DONE, days=8, queue="bulk")
    assert await Pruning(sessions).prune("default", UNEVENTFUL, older_than=WEEK) == 2
    assert await left(engine) == [
        ("bulk", "DONE", 1),
        ("default", "DEAD", 1),
        ("default", "DONE", 1),
        ("default", "READY", 1),
        ("default", "RETRYING", 1),
        ("default", "SCHEDULED", 1),
    ]
    assert await Pruning(sessions).prune("default", DEAD, older_than=WEEK) == 1
    assert await unproven(engine) == []


async def test_jobs_go_in_batches(engine: AsyncEngine, sessions: Sessions) -> None:
    """One step takes no more than it was allowed, the oldest first."""
    await add(sessions, JobState.DONE, days=9, jobs=3)
    await add(sessions, JobState.DONE, days=8, jobs=2)
    pruning = Pruning(sessions)
    assert await pruning.prune("default", UNEVENTFUL, older_than=WEEK, limit=4) == 4
    assert await rows(engine, "SELECT count(*) FROM jobs WHERE finished_at < now() - interval '9 days'") == [
        (0,)
    ]
    assert await pruning.prune("default", UNEVENTFUL, older_than=WEEK, limit=4) == 1
    assert await unproven(engine) == []


async def test_several_prune_at_once(engine: AsyncEngine, sessions: Sessions) -> None:
    """No job is noted twice as pruned."""
    await add(sessions, JobState.DONE, days=8, jobs=200)
    pruning = Pruning(sessions)
    steps = [pruning.prune("default", UNEVENTFUL, older_than=WEEK, limit=30) for _ in range(12)]
    assert sum(await asyncio.gather(*steps)) <= 200
    while await pruning.prune("default", UNEVENTFUL, older_than=WEEK, limit=30):
        pass
    assert await rows(engine, "SELECT sum(jobs)::int FROM job_ledger WHERE kind = 'PRUNED'") == [(200,)]
    assert await unproven(engine) == []


async def test_job_that_is_being_reopened_stays(engine: AsyncEngine, sessions: Sessions) -> None:
    """A retry of a job that is old enough to go wins over the pruning beside it."""
    await add(sessions, JobState.DEAD, days=8)
    async with sessions.begin() as session:
        await session.execute(text("UPDATE jobs SET state = 'READY', finished_at = NULL"))
        assert await Pruning(sessions).prune("default", DEAD, older_than=WEEK) == 0
    assert await left(engine) == [("default", "READY", 1)]


async def test_ledger_of_hours_gone_by_is_summed_up(engine: AsyncEngine, sessions: Sessions) -> None:
    """One line for each queue, hour and kind is left, the sums are the same; this hour's lines stay."""
    await add(sessions, JobState.DONE, days=3, jobs=40)
    await add(sessions, JobState.READY, days=3, jobs=5)
    await add(sessions, JobState.DONE, days=3, jobs=7, queue="bulk")
    await add(sessions, JobState.DONE, days=0, jobs=6)
    before = await sums(engine)
    pruning = Pruning(sessions)
    (hour,) = await pruning.spread_hours()
    taken = [await pruning.sum_up(hour, limit=10)]
    while taken[-1] == 10:
        taken.append(await pruning.sum_up(hour, limit=10))
    assert await sums(engine) == before
    assert await pruning.spread_hours() == []
    assert await rows(engine, "SELECT count(*) FROM job_ledger WHERE hour < now() - interval '1 day'") == [
        (4,)
    ]
    assert await rows(engine, "SELECT count(*) FROM job_ledger WHERE hour > now() - interval '1 day'") == [
        (12,)
    ]
    assert await unproven(engine) == []


async def test_ledger_is_summed_up_by_several_while_it_grows(engine: AsyncEngine, sessions: Sessions) -> None:
    """Lines that come in meanwhile, and others that sum up, change no sum."""
    await add(sessions, JobState.DONE, days=2, jobs=100)
    pruning = Pruning(sessions)
    (hour,) = await pruning.spread_hours()
    await asyncio.gather(
        *(pruning.sum_up(hour, limit=25) for _ in range(6)),
        *(add(sessions, JobState.DONE, days=2, jobs=20) for _ in range(3)),
    )
    assert await rows(engine, "SELECT kind, sum(jobs)::int FROM job_ledger GROUP BY kind ORDER BY kind") == [
        ("ENQUEUED", 160),
        ("FINISHED", 160),
    ]
    assert await unproven(engine) == []


async def test_old_runs_of_schedules_go(engine: AsyncEngine, sessions: Sessions) -> None:
    """The newest run of a schedule stays, whatever its age, and so do those of the last days."""
    now = datetime.now(UTC)
    ages = {"daily": (100, 95, 1), "yearly": (400, 120)}
    async with sessions.begin() as session:
        for name, days in ages.items():
            due = [now - timedelta(days=each) for each in days]
            await session.execute(
                text("INSERT INTO job_schedules (name, last_due_at) VALUES (:name, :due)"),
                {"name": name, "due": max(due)},
            )
            await session.execute(
                text("INSERT INTO job_schedule_runs (name, due_at, outcome) VALUES (:name, :due, 'FIRED')"),
                [{"name": name, "due": each} for each in due],
            )
    await Pruning(sessions).forget_schedule_runs(older_than=timedelta(days=90))
    kept = await rows(
        engine, "SELECT name, (now()::date - due_at::date) FROM job_schedule_runs ORDER BY name"
    )
    assert kept == [("daily", 1), ("yearly", 120)]


async def sums(engine: AsyncEngine) -> list[tuple[object, ...]]:
    return await rows(
        engine, "SELECT queue, hour, kind, sum(jobs) FROM job_ledger GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
