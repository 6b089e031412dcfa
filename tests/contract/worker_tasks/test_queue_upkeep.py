"""The queue's own tasks: pruning, the proof and the ping, as jobs of the queue they look after."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Interval, bindparam, text

from server.jobs.declared import PING, PROVE, PRUNE, Ping, Upkeep
from server.jobs.prove import prove
from server.jobs.tasks import PermanentFailure
from tests.contract.worker_tasks.conftest import Turn
from workers.tasks.schedules import all_schedules


async def age(turn: Turn, days: int) -> None:
    """Whatever there is, was there so many days ago."""
    async with turn.resources.sessions.begin() as session:
        for statement in (
            # All at one moment, for an hour may have begun in between.
            "UPDATE jobs SET enqueued_at = now() - :age, finished_at = now() - :age",
            "UPDATE job_ledger SET hour = date_trunc('hour', now() - :age, 'UTC')",
        ):
            aging = text(statement).bindparams(bindparam("age", type_=Interval))
            await session.execute(aging, {"age": timedelta(days=days)})


async def test_pruning_keeps_its_own_books(turn: Turn) -> None:
    """Jobs of past weeks go, the ledger has a line for each hour and kind, and all adds up."""
    for _ in range(5):
        await turn.run(PING, Ping())
    await age(turn, 8)
    await turn.run(PING, Ping("new"))
    assert await turn.run(PRUNE, Upkeep()) == {"jobs": 5, "ledger_lines": 11}
    balances = await prove(turn.resources.engine)
    assert [(each.queue, each.enqueued, each.pruned, each.kept) for each in balances] == [
        ("critical", 5, 5, 0),
        ("bulk", 1, 0, 1),
        ("critical", 1, 0, 1),
    ]
    assert not any(each.differences() for each in balances)


async def test_pruning_shows_how_far_it_is(turn: Turn) -> None:
    """An operator sees what it does, and how many jobs went."""
    for _ in range(3):
        await turn.run(PING, Ping())
    await age(turn, 8)
    await turn.run(PRUNE, Upkeep())
    job = await turn.newest()
    assert (job.progress_done, job.progress_total) == (0, 1)
    assert job.progress_note == "summing up the ledger, in hours"


async def test_proof_says_how_many_jobs_add_up(turn: Turn) -> None:
    """The job that proves is open while it does, and is counted."""
    await turn.run(PING, Ping())
    assert await turn.run(PROVE, Upkeep()) == {"balances": 2, "jobs": 2}


async def test_proof_that_fails_is_a_dead_job(turn: Turn) -> None:
    """The failure names queue, hour, equation and amount, and so does the job's log."""
    await turn.run(PING, Ping())
    async with turn.resources.sessions.begin() as session:
        await session.execute(text("DELETE FROM jobs"))
    with pytest.raises(PermanentFailure, match=r"critical .*: finished = pruned \+ kept .*: 1 missing"):
        await turn.run(PROVE, Upkeep())
    assert [each["line"].split()[0] for each in (await turn.newest()).log] == ["critical"]


async def test_ping_returns_its_note(turn: Turn) -> None:
    """What comes back was read by a worker."""
    assert await turn.run(PING, Ping("are you there")) == {"note": "are you there"}


def test_schedules_are_due_when_the_others_are_not() -> None:
    """Each has a name of its own and its minute; pruning and reconciling wait for the night."""
    midnight = datetime(2026, 11, 23, tzinfo=UTC)
    due = {schedule.name: schedule.next_after(midnight) for schedule in all_schedules()}
    assert due == {
        "affiliate.click_partitions": datetime(2026, 11, 23, 0, 27, tzinfo=UTC),
        "analytics.event_partitions": datetime(2026, 11, 23, 0, 29, tzinfo=UTC),
        "analytics.close_rollups": datetime(2026, 11, 23, 0, 3, tzinfo=UTC),
        "analytics.prove_drift": datetime(2026, 11, 23, 0, 11, tzinfo=UTC),
        "media.sweep_uploads": datetime(2026, 11, 23, 0, 41, tzinfo=UTC),
        "jobs.prove": datetime(2026, 11, 23, 0, 7, tzinfo=UTC),
        "jobs.prune": datetime(2026, 11, 23, 3, 17, tzinfo=UTC),
        "media.reconcile": datetime(2026, 11, 23, 3, 47, tzinfo=UTC),
    }
