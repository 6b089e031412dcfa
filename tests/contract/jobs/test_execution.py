"""Claims, leases and endings against a real PostgreSQL."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs
from server.jobs.execution import Failure, JobExecution, LostLease
from tests.contract.jobs.conftest import LETTER, Letter, rows

LEDGER = "SELECT kind, sum(jobs)::int FROM job_ledger GROUP BY 1 ORDER BY 1"


@pytest.fixture
def other(engine: AsyncEngine) -> JobExecution:
    """Another worker."""
    return JobExecution(engine, worker="other", lease=timedelta(seconds=30))


async def enqueue(sessions: Sessions, jobs: Jobs, *names: str, priority: int = 0) -> None:
    async with sessions.begin() as session:
        for name in names:
            await jobs.enqueue(session, LETTER, Letter(name), priority=priority)


async def execute(engine: AsyncEngine, statement: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement))


async def test_jobs_are_claimed_by_priority_and_then_in_order(
    sessions: Sessions, jobs: Jobs, execution: JobExecution
) -> None:
    """The most urgent goes first; among equals, the one that was due first."""
    await enqueue(sessions, jobs, "one", "two")
    await enqueue(sessions, jobs, "urgent", priority=10)
    claimed = await execution.claim("default", 3)
    assert [job.payload["to"] for job in claimed] == ["urgent", "one", "two"]
    assert {job.attempt for job in claimed} == {1}


async def test_two_workers_never_claim_the_same_job(
    sessions: Sessions, jobs: Jobs, execution: JobExecution, other: JobExecution
) -> None:
    """However many claim at once, each job goes to one of them."""
    await enqueue(sessions, jobs, *map(str, range(40)))
    batches = await asyncio.gather(*(each.claim("default", 10) for each in (execution, other) * 3))
    claimed = [job.job_id for batch in batches for job in batch]
    assert len(claimed) == len(set(claimed)) == 40


async def test_a_paused_queue_gives_nothing(
    engine: AsyncEngine, sessions: Sessions, jobs: Jobs, execution: JobExecution
) -> None:
    """While a queue is paused, what is in it waits."""
    await enqueue(sessions, jobs, "one")
    await execute(engine, "INSERT INTO job_queues VALUES ('default', now(), 'admin')")
    assert await execution.claim("default", 1) == []
    await execute(engine, "UPDATE job_queues SET paused_at = NULL")
    assert len(await execution.claim("default", 1)) == 1


async def test_suspects_are_claimed_apart(
    engine: AsyncEngine, sessions: Sessions, jobs: Jobs, execution: JobExecution
) -> None:
    """A job that was running when a worker died is only given to those who ask for such jobs."""
    await enqueue(sessions, jobs, "one", "two")
    await execute(engine, "UPDATE jobs SET expiries = 1 WHERE payload->>'to' = 'one'")
    assert [job.payload["to"] for job in await execution.claim("default", 9)] == ["two"]
    assert [job.payload["to"] for job in await execution.claim("default", 9, suspects=True)] == ["one"]


async def test_completed_jobs_are_done_and_in_the_ledger(
    engine: AsyncEngine, sessions: Sessions, jobs: Jobs, execution: JobExecution
) -> None:
    """A batch of completions is one statement, with a result each."""
    await enqueue(sessions, jobs, "one", "two")
    claimed = await execution.claim("default", 2)
    accepted = await execution.complete([(claimed[0], {"sent": True}), (claimed[1], None)])
    assert accepted == {job.job_id for job in claimed}
    assert await rows(engine, "SELECT state, result->>'sent' FROM jobs ORDER BY job_id") == [
        ("DONE", "true"),
        ("DONE", None),
    ]
    assert await rows(engine, LEDGER) == [("ENQUEUED", 2), ("FINISHED", 2)]


async def test_a_late_writer_is_refused_everywhere(
    engine: AsyncEngine, sessions: Sessions, jobs: Jobs, execution: JobExecution, other: JobExecution
) -> None:
    """Once another attempt holds the job, the old one can write nothing about it."""
    await enqueue(sessions, jobs, "one")
    (late,) = await execution.claim("default", 1)
    await execute(engine, "UPDATE jobs SET state = 'READY', lease_until = NULL")
    (current,) = await other.claim("default", 1)
    assert await execution.complete([(late, None)]) == set()
    assert not await execution.fail(late, Failure("late"), retry_in=None)
    assert not await execution.postpone(late, 1, "late")
    assert not await execution.park(late, 1, "late")
    assert not await execution.cancelled(late)
    assert not await execution.save_progress(late, done=1, total=1, note="late", log=["late"])
    assert await execution.release([late]) == set()
    assert (await execution.renew([late])).kept == set()
    assert (await other.renew([current])).kept == {current.job_id}
    assert await rows(engine, "SELECT state, attempt FROM jobs") == [("RUNNING", 2)]


async def test_a_late_writers_effects_are_rolled_back(
    engine: AsyncEngine, sessions: Sessions, jobs: Jobs, execution: JobExecution
) -> None:
    """A handler whose job was given to another cannot commit what it did."""
    await execute(engine, "CREATE TABLE effects (letter text)")
    await enqueue(sessions, jobs, "one")
    (late,) = await execution.claim("default", 1)
    await execute(engine, "UPDATE jobs SET attempt = attempt + 1")

    async def handle() -> None:
        async with sessions.begin() as session:
            await session.execute(text("INSERT INTO effects VALUES ('one')"))
            await execution.complete_in(session, late)

    with pytest.raises(LostLease):
        await handle()
    assert await rows(engine, "SELECT * FROM effects") == []


async def test_a_failure_is_retried_later_and_told(
    engine: AsyncEngine, sessions: Sessions, jobs: Jobs, execution: JobExecution
) -> None:
    """A failed job waits for its next try, with the error, the traceback and its history."""
    await enqueue(sessions, jobs, "one")
    (job,) = await execution.claim("default", 1)
    assert await execution.fail(job, Failure("no such host", "Traceback …"), retry_in=60)
    found = await rows(
        engine,
        "SELECT state, failures, error, traceback, history->0->>'outcome', history->0->>'worker', "
        "run_at > clock_timestamp() + interval '50 s', finished_at FROM jobs",
    )
    assert found == [("RETRYING", 1, "no such host", "Traceback …", "FAILED", "tester", True, None)]


async def test_the_last_failure_leaves_the_job_dead(
    engine: AsyncEngine, sessions: Sessions, jobs: Jobs, execution: JobExecution
) -> None:
    """A dead job is finished, keeps its error, and is in the ledger as such."""
    await enqueue(sessions, jobs, "one")
    (job,) = await execution.claim("default", 1)
    assert await execution.fail(job, Failure("a\0b"), retry_in=None)
    assert await rows(engine, "SELECT state, error, finished_at IS NULL FROM jobs") == [("DEAD", "ab", False)]
    assert await rows(engine, LEDGER) == [("ENQUEUED", 1), ("FINISHED", 1)]


async def test_released_jobs_are_ready_at_once(
    engine: AsyncEngine, sessions: Sessions, jobs: Jobs, execution: JobExecution, other: JobExecution
) -> None:
    """What a stopping worker gives back another can claim now, and no failure is counted."""
    await enqueue(sessions, jobs, "one")
    await execution.release(await execution.claim("default", 1))
    (job,) = await other.claim("default", 1)
    assert (job.attempt, job.failures, job.expiries) == (2, 0, 0)


async def test_a_wish_to_cancel_outlives_every_ending_but_done(
    engine: AsyncEngine, sessions: Sessions, jobs: Jobs, execution: JobExecution
) -> None:
    """A job that somebody wants stopped is not put back, however its run ended."""
    await enqueue(sessions, jobs, "fail", "postpone", "park", "release")
    claimed = {job.payload["to"]: job for job in await execution.claim("default", 4)}
    await execute(engine, "UPDATE jobs SET cancel_requested_at = clock_timestamp()")
    assert await execution.cancel_requested(list(claimed.values())) == {j.job_id for j in claimed.values()}
    await execution.fail(claimed["fail"], Failure("error"), retry_in=1)
    await execution.postpone(claimed["postpone"], 1, "later")
    await execution.park(claimed["park"], 1, "unknown")
    await execution.release([claimed["release"]])
    assert await rows(engine, "SELECT DISTINCT state FROM jobs") == [("CANCELLED",)]
    assert await rows(engine, LEDGER) == [("ENQUEUED", 4), ("FINISHED", 4)]


async def test_progress_and_log_show_while_the_job_runs(
    engine: AsyncEngine, sessions: Sessions, jobs: Jobs, execution: JobExecution
) -> None:
    """What a handler tells is kept, the newest 200 lines of it."""
    await enqueue(sessions, jobs, "one")
    (job,) = await execution.claim("default", 1)
    await execution.save_progress(job, done=1, total=9, note="reading", log=[str(n) for n in range(150)])
    await execution.save_progress(job, done=2, total=None, note=None, log=[str(n) for n in range(150, 300)])
    found = await rows(
        engine,
        "SELECT progress_done, progress_total, progress_note, jsonb_array_length(log), "
        "log->0->>'line', log->199->>'line' FROM jobs",
    )
    assert found == [(2, 9, "reading", 200, "100", "299")]


async def test_history_keeps_the_newest_turns(
    engine: AsyncEngine, sessions: Sessions, jobs: Jobs, execution: JobExecution
) -> None:
    """A job that is tried for ever does not grow for ever."""
    await enqueue(sessions, jobs, "one")
    for _ in range(53):
        (job,) = await execution.claim("default", 1)
        await execution.release([job])
    found = await rows(
        engine,
        "SELECT jsonb_array_length(history), history->49->>'attempt', history->0->>'attempt' FROM jobs",
    )
    assert found == [(50, "53", "4")]


async def test_a_new_run_shows_nothing_of_the_last_ones_progress(
    engine: AsyncEngine, sessions: Sessions, jobs: Jobs, execution: JobExecution
) -> None:
    """What an earlier attempt came to says nothing of this one."""
    await enqueue(sessions, jobs, "one")
    (job,) = await execution.claim("default", 1)
    await execution.save_progress(job, done=900, total=1000, note="sending", log=["far"])
    await execution.release([job])
    await execution.claim("default", 1)
    found = await rows(
        engine, "SELECT progress_done, progress_total, progress_note, jsonb_array_length(log) FROM jobs"
    )
    assert found == [(None, None, None, 1)]


async def test_lines_and_notes_are_cut(
    engine: AsyncEngine, sessions: Sessions, jobs: Jobs, execution: JobExecution
) -> None:
    """A talkative handler cannot make its job too large to be shown."""
    await enqueue(sessions, jobs, "one")
    (job,) = await execution.claim("default", 1)
    await execution.save_progress(job, done=1, total=None, note="n" * 9_000, log=["l" * 9_000])
    found = await rows(engine, "SELECT length(progress_note), length(log->0->>'line') FROM jobs")
    assert found == [(200, 2_000)]


async def test_a_locked_job_keeps_no_other_from_being_renewed(
    engine: AsyncEngine, sessions: Sessions, jobs: Jobs, execution: JobExecution
) -> None:
    """Somebody who holds one row does not make a worker lose all its jobs; the held one stays its own too."""
    await enqueue(sessions, jobs, "one", "two")
    claimed = await execution.claim("default", 2)
    await execute(engine, "UPDATE jobs SET lease_until = clock_timestamp()")
    async with engine.begin() as other:
        await other.execute(text("SELECT FROM jobs WHERE payload->>'to' = 'one' FOR UPDATE"))
        async with asyncio.timeout(2):
            beat = await execution.renew(claimed)
    assert beat.kept == {job.job_id for job in claimed}
    renewed = "SELECT payload->>'to' FROM jobs WHERE lease_until > clock_timestamp()"
    assert await rows(engine, renewed) == [("two",)]
