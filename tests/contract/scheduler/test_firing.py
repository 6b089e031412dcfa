"""Each due time is decided once, whoever fires, and what was missed is made up for by policy."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs
from server.jobs.firing import MAX_FIRES, ScheduleFiring
from server.jobs.leadership import Leadership
from server.jobs.schedules import Missed, Schedule
from tests.contract.scheduler.conftest import CHORE, Chore, rows
from workers.health import Health
from workers.scheduler.metrics import SchedulerMetrics
from workers.scheduler.scheduler import Scheduler

START = datetime(2026, 3, 28, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

RUNS = "SELECT outcome, count(*)::int FROM job_schedule_runs GROUP BY outcome ORDER BY outcome"
JOBS = "SELECT count(*)::int FROM jobs"


def schedule(
    cron: str, *, missed: Missed = Missed.LAST, zone: str = "UTC", name: str = "it"
) -> Schedule[Chore]:
    return Schedule(name, cron, CHORE, Chore(), zone=zone, missed=missed)


@pytest.fixture
def firing(sessions: Sessions, jobs: Jobs) -> Any:
    """Makes a scheduler's firing of these schedules."""

    def make(*schedules: Schedule[Any]) -> ScheduleFiring:
        return ScheduleFiring(sessions, jobs, schedules)

    return make


async def test_two_schedulers_fire_each_due_time_once(connection: AsyncConnection, firing: Any) -> None:
    """Over three days with a change of clocks among them, two that act at once enqueue every run once."""
    schedules: Sequence[Schedule[Chore]] = (
        schedule("*/30 * * * *", zone="Europe/Berlin", name="half-hourly"),
        schedule("30 2 * * *", zone="Europe/Berlin", name="nightly"),
        schedule("15 12 * * *", zone="America/New_York", name="noon"),
    )
    pair = [firing(*schedules), firing(*schedules)]

    for step in range(3 * 24 * 4 + 1):
        now = START + step * 15 * MINUTE + timedelta(seconds=7)
        await asyncio.gather(*(each.fire_due(now) for each in pair))

    found = await rows(
        connection,
        "SELECT name, count(*)::int, count(DISTINCT job_id)::int FROM job_schedule_runs "
        "WHERE outcome = 'FIRED' GROUP BY name ORDER BY name",
    )
    assert found == [("half-hourly", 144, 144), ("nightly", 3, 3), ("noon", 3, 3)]
    assert await rows(connection, JOBS) == [(150,)]


async def test_a_new_schedule_starts_from_now(connection: AsyncConnection, firing: Any) -> None:
    """What was due before a schedule was first seen does not run, whatever its policy."""
    it = firing(schedule("0 * * * *", missed=Missed.ALL))

    await it.fire_due(START + HOUR * 5)
    before = await rows(connection, JOBS)
    await it.fire_due(START + HOUR * 6)

    assert (before, await rows(connection, JOBS)) == ([(0,)], [(1,)])


@pytest.mark.parametrize(("missed", "fired"), [(Missed.SKIP, 0), (Missed.LAST, 1), (Missed.ALL, 5)], ids=str)
async def test_missed_runs_go_by_policy(
    connection: AsyncConnection, firing: Any, missed: Missed, fired: int
) -> None:
    """A scheduler that comes after five missed hours enqueues none, the last, or all, and notes the rest."""
    it = schedule("0 * * * *", missed=missed)
    await firing(it).fire_due(START)

    done = await firing(it).fire_due(START + HOUR * 5 + MINUTE * 2)

    assert (done.fired.total(), done.skipped.total()) == (fired, 5 - fired)
    assert await rows(connection, JOBS) == [(fired,)]
    assert dict(await rows(connection, RUNS)) == {  # type: ignore[arg-type]
        outcome: count for outcome, count in (("FIRED", fired), ("SKIPPED", 5 - fired)) if count
    }


async def test_catching_up_is_spread_over_ticks(connection: AsyncConnection, firing: Any) -> None:
    """At most a hundred runs a tick, of all schedules together; every one in the end."""
    every_minute = [schedule("* * * * *", missed=Missed.ALL, name=name) for name in ("one", "two")]
    it = firing(*every_minute)
    await it.fire_due(START)
    now = START + 120 * MINUTE

    rounds = [await it.fire_due(now) for _ in range(4)]

    assert [done.fired.total() for done in rounds] == [MAX_FIRES, MAX_FIRES, 40, 0]
    assert [done.more for done in rounds] == [True, True, False, False]
    assert await rows(connection, JOBS) == [(240,)]


async def test_a_long_outage_ends_with_the_last_run(connection: AsyncConnection, firing: Any) -> None:
    """More missed times than one round decides: all are skipped but the very last."""
    it = firing(schedule("* * * * *"))
    await it.fire_due(START)

    rounds = [await it.fire_due(START + 1500 * MINUTE + timedelta(seconds=59)) for _ in range(2)]

    assert [(done.fired.total(), done.skipped.total()) for done in rounds] == [(0, 1000), (1, 499)]
    assert await rows(connection, JOBS) == [(1,)]


async def test_a_schedule_in_other_hands_is_left_alone(
    connection: AsyncConnection, firing: Any, sessions: Sessions
) -> None:
    """A frozen scheduler's lock keeps neither this tick waiting nor the other schedules."""
    it = firing(schedule("0 * * * *", name="held"), schedule("0 * * * *", name="free"))
    await it.fire_due(START)

    async with sessions.begin() as frozen:
        await rows(await frozen.connection(), "SELECT FROM job_schedules WHERE name = 'held' FOR UPDATE")
        async with asyncio.timeout(3):
            during = await it.fire_due(START + HOUR)
    after = await it.fire_due(START + HOUR)

    assert (dict(+during.fired), dict(+after.fired)) == ({"free": 1}, {"held": 1})


async def test_a_due_time_that_was_noted_never_fires_again(connection: AsyncConnection, firing: Any) -> None:
    """Even with its position turned back, what is in the table of runs is not repeated."""
    it = firing(schedule("0 * * * *", missed=Missed.ALL))
    await it.fire_due(START)
    await it.fire_due(START + HOUR)
    await rows(connection, "UPDATE job_schedules SET last_due_at = last_due_at - interval '1 hour'")
    it.forget()

    again = await it.fire_due(START + HOUR + MINUTE)

    assert (again.fired.total(), await rows(connection, JOBS)) == (0, [(1,)])


async def test_a_scheduler_ticks_through_simulated_time(
    engine: AsyncEngine, connection: AsyncConnection, firing: Any
) -> None:
    """Of two schedulers given the instant, only the holder of the lease fires."""
    schedulers = [
        Scheduler(
            engine,
            Leadership(name),
            firing(schedule("0 * * * *")),
            lambda queue: None,
            metrics=SchedulerMetrics(CollectorRegistry()),
            health=Health([]),
        )
        for name in ("acting", "standby")
    ]

    for hour in range(4):
        for each in schedulers:
            await each.tick(connection, START + hour * HOUR)

    assert [each.acting for each in schedulers] == [True, False]
    assert await rows(connection, JOBS) == [(3,)]


async def test_a_backlog_makes_no_other_schedule_late(firing: Any) -> None:
    """While one makes up for two weeks, another that is due now is fired in the same round."""
    subject = firing(
        schedule("* * * * *", missed=Missed.ALL, name="busy"),
        schedule("0 12 * * *", missed=Missed.SKIP, name="noon"),
    )
    await subject.fire_due(START)
    done = await subject.fire_due(START + timedelta(days=14, hours=12))
    assert done.fired["busy"] > 0
    assert done.fired["noon"] == 1


async def test_a_clock_that_was_wrong_stops_no_schedule(connection: AsyncConnection, firing: Any) -> None:
    """After a year ahead and back, a schedule goes on from where the clock is right again."""
    subject = firing(schedule("0 * * * *"))
    await subject.fire_due(START)
    await subject.fire_due(START + timedelta(days=365))
    await subject.fire_due(START + MINUTE)
    done = await subject.fire_due(START + HOUR)
    assert done.fired.total() == 1
