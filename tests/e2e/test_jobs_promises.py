"""What a caller and an operator may rely on, seen on worker processes: commits, deploys, order, stops.

MILLRACE_CHAOS_ROUNDS makes the backlog as long as it is meant (`make chaos`): 100,000 jobs.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.jobs_probe.ground import Ground
from tests.jobs_probe.tasks import (
    COMPUTING,
    EFFECT,
    NEW_GREETING,
    NOVEL,
    OLD_GREETING,
    WATCHED,
    Effect,
    NewGreeting,
    OldGreeting,
    Seconds,
)

BACKLOG = 100_000
WITHIN = 20.0

_FILL_BULK = """
    WITH added AS (
        INSERT INTO jobs (job_id, task, version, payload, queue, state)
        SELECT gen_random_uuid(), 'probe.effect', 1, '{"note": "bulk", "seconds": 0.05}', 'bulk', 'READY'
        FROM generate_series(1, :count)
        RETURNING queue, enqueued_at
    )
    INSERT INTO job_ledger (queue, hour, kind, jobs)
    SELECT queue, date_trunc('hour', enqueued_at, 'UTC'), 'ENQUEUED', count(*) FROM added GROUP BY 1, 2
"""


@pytest.fixture
async def ground(
    postgres_dsn: str, redis_url: str, redis_prefix: str, tmp_path: Path
) -> AsyncIterator[Ground]:
    async with Ground(postgres_dsn, redis_url, redis_prefix, tmp_path) as ground:
        yield ground


class TakenBack(Exception):  # noqa: N818 - named for what is so
    """Why the caller's transaction is rolled back."""


async def test_a_transaction_that_is_rolled_back_leaves_no_job(ground: Ground) -> None:
    """Neither a row nor an effect, though a worker was waiting; the next one's job runs."""
    await ground.start_worker()
    with pytest.raises(TakenBack):
        await enqueue_and_take_back(ground)
    await ground.enqueue(EFFECT, Effect(note="committed"))
    await ground.until_finished(within=WITHIN)

    assert await ground.rows("SELECT note FROM probe_effects") == [("committed",)]
    await ground.assert_every_effect_once(1)


async def enqueue_and_take_back(ground: Ground) -> None:
    async with ground.sessions.begin() as session:
        await ground.jobs.enqueue(session, EFFECT, Effect(note="never"))
        raise TakenBack


async def test_an_old_worker_parks_what_only_the_next_release_knows(ground: Ground) -> None:
    """A new task and a newer payload wait, without a failure, until a worker of the new release is there."""
    old, _ = await asyncio.gather(ground.start_worker(release="old"), ground.start_scheduler(ready=False))
    await ground.enqueue(NOVEL, Effect(note="novel"))
    await ground.enqueue(NEW_GREETING, NewGreeting(first="Ada", last="Lovelace"))
    await ground.enqueue(OLD_GREETING, OldGreeting(name="Grace"))
    await ground.until("SELECT count(*) = 2 FROM jobs WHERE state = 'SCHEDULED'", within=WITHIN)
    await ground.until("SELECT count(*) = 1 FROM probe_effects", within=WITHIN)
    parked = await ground.rows(
        "SELECT failures, expiries, history -> -1 ->> 'outcome' FROM jobs WHERE state = 'SCHEDULED'"
    )
    assert parked == [(0, 0, "PARKED")] * 2

    # The old one is still there, as while a release is rolled out, and its delay is cut short.
    await ground.enqueue(OLD_GREETING, OldGreeting(name="Mary"))
    await ground.start_worker(release="new")
    assert await old.stop() == 0
    await ground.change("UPDATE jobs SET run_at = clock_timestamp() WHERE state = 'SCHEDULED'")
    await ground.until_finished(within=WITHIN)

    notes = await ground.rows("SELECT note FROM probe_effects ORDER BY note")
    assert [note for (note,) in notes] == ["Ada Lovelace", "Grace", "Mary", "novel"]
    await ground.assert_every_effect_once(4)


async def test_a_change_made_while_its_job_runs_gets_another_run(ground: Ground) -> None:
    """The key takes a later change in only until the job is started."""
    await ground.start_worker()
    running = await ground.enqueue(WATCHED, Effect(note="first", seconds=1.0), unique_key="page-7")
    await ground.until_started(running, within=WITHIN)
    changed = await ground.enqueue(WATCHED, Effect(note="second"), unique_key="page-7")
    await ground.until_finished(within=WITHIN)

    assert changed != running
    notes = await ground.rows("SELECT note FROM probe_effects ORDER BY note")
    assert [note for (note,) in notes] == ["first", "second"]
    await ground.assert_every_effect_once(2)


async def test_critical_starts_at_once_behind_a_bulk_backlog(ground: Ground) -> None:
    """Within two seconds, and `default` as well, while bulk jobs go on."""
    await ground.change(_FILL_BULK, count=BACKLOG)
    await asyncio.gather(ground.start_worker(), ground.start_scheduler(ready=False))
    await ground.until("SELECT count(*) > 100 FROM probe_effects", within=WITHIN)
    for queue in ("critical", "default"):
        await ground.enqueue(WATCHED, Effect(note=queue), queue=queue)
    await ground.until("SELECT count(*) = 2 FROM probe_starts", within=WITHIN)

    waits = await ground.rows(
        "SELECT queue, EXTRACT(epoch FROM at - enqueued_at) FROM probe_starts JOIN jobs USING (job_id)"
    )
    waited = {queue: float(seconds) for queue, seconds in waits}
    print(f"\nbehind {BACKLOG} bulk jobs: {waited} s until the start")
    assert max(waited.values()) < 2
    left = await ground.value("SELECT count(*) FROM jobs WHERE queue = 'bulk' AND state = 'READY'")
    assert left > BACKLOG / 2
    await ground.assert_ledger_agrees()


async def test_the_most_urgent_of_a_backlog_starts_next(ground: Ground) -> None:
    """Within one queue, a higher priority overtakes everything that has not started."""
    await ground.change(_FILL_BULK, count=1_000)
    await ground.start_worker()
    await ground.until("SELECT count(*) > 10 FROM probe_effects", within=WITHIN)
    urgent = await ground.enqueue(WATCHED, Effect(), queue="bulk", priority=100)
    await ground.until_started(urgent, within=2)

    assert await ground.value("SELECT count(*) > 500 FROM jobs WHERE state = 'READY'")


async def test_a_stopped_worker_gives_its_jobs_back_at_once(ground: Ground) -> None:
    """It ends by itself after its grace; short jobs end, long ones are READY and no failure is counted."""
    worker = await ground.start_worker(MILLRACE_WORKER_GRACE_SECONDS="1")
    long = [await ground.enqueue(WATCHED, Effect(seconds=600)) for _ in range(10)]
    short = await ground.enqueue(WATCHED, Effect(seconds=0.8))
    for job_id in (*long, short):
        await ground.until_started(job_id, within=WITHIN)
    loop = asyncio.get_running_loop()
    told_at = loop.time()

    assert await worker.stop() == 0
    assert loop.time() - told_at < 3
    given_back = await ground.rows(
        "SELECT failures, expiries, history -> -1 ->> 'outcome' FROM jobs WHERE state = 'READY'"
    )
    assert given_back == [(0, 0, "RELEASED")] * len(long)
    assert await ground.states() == {"READY": len(long), "DONE": 1}
    # No relay is there to help: a worker that starts looks by itself.
    await ground.start_worker(MILLRACE_WORKER_GRACE_SECONDS="0")
    for job_id in long:
        await ground.until_started(job_id, attempt=2, within=WITHIN)
    await ground.assert_ledger_agrees()


async def test_computing_keeps_neither_its_lease_nor_others_waiting(ground: Ground) -> None:
    """Work on the processor runs in a process of its own: others start meanwhile, and it runs once."""
    ground.lease = 1.0
    await asyncio.gather(ground.start_worker(), ground.start_scheduler(ready=False))
    computing = await ground.enqueue(COMPUTING, Seconds(seconds=3 * ground.lease))
    await ground.until("SELECT state = 'RUNNING' FROM jobs WHERE job_id = :id", within=WITHIN, id=computing)
    for _ in range(5):
        watched = await ground.enqueue(WATCHED, Effect())
        await ground.until_started(watched, within=1)
    await ground.until_finished(within=WITHIN)

    assert await ground.rows("SELECT attempt, state FROM jobs WHERE job_id = :id", id=computing) == [
        (1, "DONE")
    ]
