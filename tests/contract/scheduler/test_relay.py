"""What was due, missed or abandoned becomes READY, or ends, and never twice."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs
from server.jobs.execution import JobExecution
from server.jobs.relay import relay
from tests.contract.scheduler.conftest import CHORE, Chore, rows

END_LEASES = "UPDATE jobs SET lease_until = now() - interval '1 second' WHERE state = 'RUNNING'"
BALANCE = "SELECT kind, sum(jobs)::int FROM job_ledger GROUP BY kind ORDER BY kind"


@pytest.fixture
async def running(jobs: Jobs, sessions: Sessions, execution: JobExecution) -> None:
    """A job that a worker has claimed."""
    async with sessions.begin() as session:
        await jobs.enqueue(session, CHORE, Chore())
    await execution.claim("default", 1)


async def enqueue_later(jobs: Jobs, sessions: Sessions, count: int) -> None:
    async with sessions.begin() as session:
        for _ in range(count):
            await jobs.enqueue(session, CHORE, Chore(), run_at=datetime.now(UTC) + timedelta(hours=1))


async def test_what_is_due_becomes_ready(connection: AsyncConnection, jobs: Jobs, sessions: Sessions) -> None:
    """A SCHEDULED job whose time has come is READY and its queue named; one of later stays."""
    await enqueue_later(jobs, sessions, 2)
    await rows(
        connection, "UPDATE jobs SET run_at = now() WHERE job_id = (SELECT min(job_id::text)::uuid FROM jobs)"
    )

    relayed = await relay(connection)

    assert dict(relayed.promoted) == {"default": 1}
    assert relayed.ready == {"default"}
    states = await rows(connection, "SELECT state FROM jobs ORDER BY state")
    assert states == [("READY",), ("SCHEDULED",)]


async def test_two_relays_promote_each_job_once(
    engine: AsyncEngine, connection: AsyncConnection, jobs: Jobs, sessions: Sessions
) -> None:
    """Relays that act at once share the due jobs between them, and say when a batch was not enough."""
    await enqueue_later(jobs, sessions, 30)
    await rows(connection, "UPDATE jobs SET run_at = now()")

    async def relay_apart() -> tuple[int, bool]:
        async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as own:
            relayed = await relay(own, batch=10)
            return relayed.promoted.total(), relayed.full

    taken = await asyncio.gather(*(relay_apart() for _ in range(3)))
    rest = await relay(connection, batch=40)

    assert sum(count for count, _ in taken) + rest.promoted.total() == 30
    assert (10, True) in taken
    assert not rest.full


async def test_a_missed_wake_up_is_made_up_for(
    connection: AsyncConnection, jobs: Jobs, sessions: Sessions
) -> None:
    """A READY job is named at every tick until it is claimed, but not while its queue is paused."""
    async with sessions.begin() as session:
        await jobs.enqueue(session, CHORE, Chore(), queue="bulk")

    before = await relay(connection)
    await rows(connection, "INSERT INTO job_queues VALUES ('bulk', now(), 'tester')")
    paused = await relay(connection)

    assert before.ready == {"bulk"}
    assert paused.ready == set()


@pytest.mark.usefixtures("running")
async def test_a_lease_that_ended_gives_the_job_back(
    connection: AsyncConnection, execution: JobExecution
) -> None:
    """The job is READY at the next tick with a turn in its history; a suspect, it is claimed apart."""
    untouched = await relay(connection)
    await rows(connection, END_LEASES)
    relayed = await relay(connection)

    assert (dict(untouched.expired), dict(relayed.expired)) == ({}, {"default": 1})
    found = await rows(
        connection, "SELECT state, expiries, history->0->>'outcome', history->0->>'worker' FROM jobs"
    )
    assert found == [("READY", 1, "EXPIRED", "tester")]
    assert len(await execution.claim("default", 1, suspects=True)) == 1


@pytest.mark.usefixtures("running")
async def test_mercy_leaves_running_jobs_alone(connection: AsyncConnection) -> None:
    """Without `expire` an ended lease is not taken: its worker may only have been cut off."""
    await rows(connection, END_LEASES)

    relayed = await relay(connection, expire=False)

    assert (relayed.expired.total(), await rows(connection, "SELECT state FROM jobs")) == (0, [("RUNNING",)])


@pytest.mark.usefixtures("running")
async def test_a_job_that_kills_its_worker_is_dead_after_three(
    connection: AsyncConnection, execution: JobExecution
) -> None:
    """The third ended lease is the last: DEAD with the reason, three turns of history, and in the ledger."""
    for _ in range(3):
        await rows(connection, END_LEASES)
        relayed = await relay(connection)
        await execution.claim("default", 1, suspects=True)

    assert dict(relayed.dead) == {"default": 1}
    found = await rows(
        connection, "SELECT state, error, jsonb_array_length(history), finished_at IS NOT NULL FROM jobs"
    )
    assert found == [("DEAD", "the worker died 3 times while running it", 3, True)]
    assert await rows(connection, BALANCE) == [("ENQUEUED", 1), ("FINISHED", 1)]


@pytest.mark.usefixtures("running")
async def test_a_cancelled_job_does_not_start_again(connection: AsyncConnection) -> None:
    """What an operator wanted stopped when its worker died is CANCELLED, and in the ledger."""
    await rows(connection, "UPDATE jobs SET cancel_requested_at = now()")
    await rows(connection, END_LEASES)

    await relay(connection)

    assert await rows(connection, "SELECT state FROM jobs") == [("CANCELLED",)]
    assert await rows(connection, BALANCE) == [("ENQUEUED", 1), ("FINISHED", 1)]
