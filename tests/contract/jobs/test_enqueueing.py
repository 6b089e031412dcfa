"""Enqueueing against a real PostgreSQL."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs
from server.jobs.execution import JobExecution
from server.jobs.tasks import MalformedPayload
from tests.contract.jobs.conftest import LETTER, Letter, rows

FIELDS = "SELECT state, queue, task, version, payload->>'to', priority FROM jobs"
LEDGER = "SELECT queue, kind, sum(jobs) FROM job_ledger GROUP BY 1, 2 ORDER BY 1, 2"


async def test_a_committed_job_is_ready_and_wakes_its_queue(
    engine: AsyncEngine, sessions: Sessions, jobs: Jobs, nudged: list[str]
) -> None:
    """A job exists once its transaction is committed, is in the ledger, and only then wakes the workers."""
    async with sessions.begin() as session:
        await jobs.enqueue(session, LETTER, Letter("ada"), queue="critical", priority=3)
        assert await rows(engine, FIELDS) == []
        assert nudged == []
    assert await rows(engine, FIELDS) == [("READY", "critical", "test.letter", 1, "ada", 3)]
    assert await rows(engine, LEDGER) == [("critical", "ENQUEUED", 1)]
    assert nudged == ["critical"]


async def test_a_rolled_back_transaction_leaves_no_job(
    engine: AsyncEngine, sessions: Sessions, jobs: Jobs, nudged: list[str]
) -> None:
    """Whatever fails in the caller's transaction takes the job with it, and nobody is woken."""

    async def store_order() -> None:
        async with sessions.begin() as session:
            await jobs.enqueue(session, LETTER, Letter("ada"))
            raise RuntimeError("the order could not be stored")

    with pytest.raises(RuntimeError):
        await store_order()
    assert await rows(engine, FIELDS) == []
    assert await rows(engine, LEDGER) == []
    assert nudged == []


async def test_a_released_savepoint_wakes_nobody_yet(
    sessions: Sessions, jobs: Jobs, nudged: list[str]
) -> None:
    """Workers are woken by the commit of the whole transaction, not by a part of it."""
    async with sessions.begin() as session:
        async with session.begin_nested():
            await jobs.enqueue(session, LETTER, Letter("ada"))
        assert nudged == []
    assert nudged == ["default"]


async def test_many_jobs_of_one_transaction_wake_their_queue_once(
    sessions: Sessions, jobs: Jobs, nudged: list[str]
) -> None:
    """A wake-up says that there is work, not how much."""
    async with sessions.begin() as session:
        for number in range(5):
            await jobs.enqueue(session, LETTER, Letter(str(number)))
    assert nudged == ["default"]


async def test_a_later_job_is_scheduled_and_wakes_nobody(
    engine: AsyncEngine, sessions: Sessions, jobs: Jobs, nudged: list[str]
) -> None:
    """What is not due yet waits for the scheduler."""
    async with sessions.begin() as session:
        await jobs.enqueue(session, LETTER, Letter("ada"), run_at=datetime.now(UTC) + timedelta(hours=1))
    assert (await rows(engine, FIELDS))[0][0] == "SCHEDULED"
    assert nudged == []


async def test_a_waiting_job_of_the_same_key_takes_the_newer_payload(
    engine: AsyncEngine, sessions: Sessions, jobs: Jobs
) -> None:
    """Two calls under one key are one job: with the newest payload, the higher priority, due at once."""
    async with sessions.begin() as session:
        later = datetime.now(UTC) + timedelta(hours=1)
        first = await jobs.enqueue(session, LETTER, Letter("old"), unique_key="k", run_at=later, priority=5)
    async with sessions.begin() as session:
        second = await jobs.enqueue(session, LETTER, Letter("new"), unique_key="k")
    assert first == second
    assert await rows(engine, FIELDS) == [("READY", "default", "test.letter", 1, "new", 5)]
    assert await rows(engine, LEDGER) == [("default", "ENQUEUED", 1)]


async def test_a_change_made_while_its_job_runs_gets_another_job(
    engine: AsyncEngine, sessions: Sessions, jobs: Jobs, execution: JobExecution
) -> None:
    """A job that was started takes nothing in."""
    async with sessions.begin() as session:
        first = await jobs.enqueue(session, LETTER, Letter("ada"), unique_key="k")
    await execution.claim("default", 1)
    async with sessions.begin() as session:
        second = await jobs.enqueue(session, LETTER, Letter("ada"), unique_key="k")
    assert first != second
    assert await rows(engine, "SELECT state FROM jobs ORDER BY job_id") == [("RUNNING",), ("READY",)]


async def test_a_waiting_job_cannot_start_before_what_it_took_in_is_committed(
    sessions: Sessions, jobs: Jobs, execution: JobExecution
) -> None:
    """A job that took a change in stays unclaimed until that change can be seen."""
    async with sessions.begin() as session:
        await jobs.enqueue(session, LETTER, Letter("ada"), unique_key="k")
    async with sessions.begin() as session:
        await jobs.enqueue(session, LETTER, Letter("eve"), unique_key="k")
        assert await execution.claim("default", 10) == []
    assert [job.payload["to"] for job in await execution.claim("default", 10)] == ["eve"]


async def test_thirty_callers_of_one_key_make_one_job(
    engine: AsyncEngine, sessions: Sessions, jobs: Jobs
) -> None:
    """Concurrent transactions under one key wait for each other and end in one job."""

    async def call() -> None:
        async with sessions.begin() as session:
            await jobs.enqueue(session, LETTER, Letter("ada"), unique_key="k")

    await asyncio.gather(*(call() for _ in range(30)))
    assert len(await rows(engine, FIELDS)) == 1


async def test_the_request_is_noted_on_its_job(engine: AsyncEngine, sessions: Sessions, jobs: Jobs) -> None:
    """A job carries the id of the request that made it necessary."""
    with structlog.contextvars.bound_contextvars(request_id="req-7"):
        async with sessions.begin() as session:
            await jobs.enqueue(session, LETTER, Letter("ada"))
    assert await rows(engine, "SELECT request_id FROM jobs") == [("req-7",)]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"queue": "fast"}, ValueError),
        ({"priority": 101}, ValueError),
        ({"unique_key": ""}, ValueError),
        ({"unique_key": "k" * 201}, ValueError),
        ({"run_at": datetime(2026, 1, 1)}, ValueError),
    ],
)
async def test_a_value_out_of_range_is_refused(
    engine: AsyncEngine, sessions: Sessions, jobs: Jobs, options: dict[str, object], error: type[Exception]
) -> None:
    """A wrong option is the caller's error at once, and leaves its transaction usable."""
    async with sessions.begin() as session:
        with pytest.raises(error):
            await jobs.enqueue(session, LETTER, Letter("ada"), **options)  # type: ignore[arg-type]
        await jobs.enqueue(session, LETTER, Letter("eve"))
    assert len(await rows(engine, FIELDS)) == 1


@pytest.mark.parametrize("letter", [Letter("\0"), Letter("a" * 300_000), Letter("\\u0000\0")])
async def test_a_payload_that_cannot_be_stored_is_refused(
    sessions: Sessions, jobs: Jobs, letter: Letter
) -> None:
    """What PostgreSQL cannot hold is refused before it is sent."""
    async with sessions.begin() as session:
        with pytest.raises(MalformedPayload):
            await jobs.enqueue(session, LETTER, letter)


async def test_a_text_that_only_looks_like_nul_is_stored(
    engine: AsyncEngine, sessions: Sessions, jobs: Jobs
) -> None:
    """A backslash followed by u0000 is a text like any other."""
    async with sessions.begin() as session:
        await jobs.enqueue(session, LETTER, Letter("\\u0000"))
    assert await rows(engine, "SELECT payload->>'to' FROM jobs") == [("\\u0000",)]
