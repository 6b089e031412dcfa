"""Figures of queues, and pausing them."""

from datetime import UTC, datetime, timedelta

import pytest

from millrace.jobs.v1 import jobs_service_pb2 as rpc
from server.errors import NotFound
from server.jobs.queues import QUEUES
from tests.contract.jobs_service.operators import Operators


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


def turn(outcome: str, at: datetime) -> dict[str, object]:
    return {"attempt": 1, "outcome": outcome, "worker": "w", "ended_at": at.isoformat(), "error": "e"}


async def test_every_queue_is_listed_the_most_urgent_first(operators: Operators) -> None:
    """Also those that hold nothing; they have no age, rate or percentiles."""
    answer = await operators.call(rpc.ListQueuesRequest())
    assert {queue.queue for queue in answer.queues} == set(QUEUES)
    assert (answer.queues[0].queue, answer.queues[-1].queue) == ("critical", "bulk")
    empty = answer.queues[0]
    assert not any(
        empty.HasField(name)
        for name in ("oldest_ready_age_seconds", "failure_rate", "wait_seconds", "run_seconds", "paused_at")
    )
    assert (empty.paused, empty.depth.ready, empty.throughput_per_second) == (False, 0, 0)


async def test_a_queue_that_was_given_up_is_still_shown(operators: Operators) -> None:
    """Jobs in it would be waiting for ever, unseen."""
    await operators.job("READY", queue="former")
    answer = await operators.call(rpc.ListQueuesRequest())
    assert (answer.queues[-1].queue, answer.queues[-1].depth.ready) == ("former", 1)


async def test_depth_counts_what_waits_by_state(operators: Operators) -> None:
    """Of this queue alone; the age is that of the job that has been due longest."""
    stored = {"SCHEDULED": 1, "READY": 2, "RUNNING": 3, "RETRYING": 1, "DEAD": 2, "DONE": 4}
    for state, jobs in stored.items():
        for _ in range(jobs):
            await operators.job(state)
    await operators.job("READY", run_at=ago(300))
    await operators.job("READY", queue="default", run_at=ago(900))
    queue = await operators.queue("bulk")
    depth = queue.depth
    assert (depth.scheduled, depth.ready, depth.running, depth.retrying, depth.dead) == (1, 3, 3, 1, 2)
    assert 300 <= queue.oldest_ready_age_seconds < 330


async def test_throughput_is_of_the_last_minute(operators: Operators) -> None:
    """Older ones, and jobs that did not end well, are not in it."""
    for _ in range(6):
        await operators.job("DONE", finished_at=ago(10))
    await operators.job("DONE", finished_at=ago(70))
    await operators.job("DEAD", finished_at=ago(10))
    assert (await operators.queue("bulk")).throughput_per_second == pytest.approx(0.1)


async def test_waits_and_runs_are_spread_over_the_last_hour(operators: Operators) -> None:
    """A hundred jobs that took 1 to 100 seconds after a wait of 2; old and cancelled ones are left out."""
    for seconds in range(1, 101):
        start = ago(1_000)
        await operators.job(
            "DONE",
            run_at=start - timedelta(seconds=2),
            started_at=start,
            finished_at=start + timedelta(seconds=seconds),
        )
    await operators.job("DONE", started_at=ago(9_000), finished_at=ago(4_000))
    await operators.job("CANCELLED", started_at=ago(3_000), finished_at=ago(1))
    queue = await operators.queue("bulk")
    assert queue.wait_seconds.p50 == pytest.approx(2)
    assert queue.wait_seconds.p99 == pytest.approx(2)
    assert queue.run_seconds.p50 == pytest.approx(50.5)
    assert queue.run_seconds.p95 == pytest.approx(95.05)
    assert queue.run_seconds.p99 == pytest.approx(99.01)


async def test_failure_rate_is_of_runs_and_not_of_jobs(operators: Operators) -> None:
    """Failed and lost runs count, of jobs that retry or run again too; others and old ones do not."""
    await operators.job("DONE", history=[turn("FAILED", ago(60)), turn("POSTPONED", ago(50))])
    await operators.job("DONE", history=[turn("RELEASED", ago(60)), turn("FAILED", ago(4_000))])
    await operators.job("RETRYING", history=[turn("FAILED", ago(60)), turn("EXPIRED", ago(50))])
    await operators.job("DEAD", history=[turn("FAILED", ago(60))])
    await operators.job("RUNNING", history=[turn("FAILED", ago(60))])
    assert (await operators.queue("bulk")).failure_rate == pytest.approx(5 / 7)


async def test_pausing_is_remembered_and_audited_once(operators: Operators) -> None:
    """Repeating it keeps who paused and since when."""
    first = await operators.call(rpc.PauseQueueRequest(queue="bulk"))
    again = await operators.call(rpc.PauseQueueRequest(queue="bulk"))
    assert (first.paused, first.paused_by) == (True, "operator@test")
    assert again.paused_at == first.paused_at
    assert not (await operators.queue("default")).paused
    [entry] = await operators.audit()
    assert (entry.action, entry.subject) == ("queue.pause", "queue/bulk")
    assert (entry.before, entry.after) == ({"paused": False}, {"paused": True})


async def test_resuming_wakes_the_workers(operators: Operators) -> None:
    """Each time it is asked for, but only the first is a change."""
    await operators.call(rpc.PauseQueueRequest(queue="bulk"))
    assert operators.nudged == []
    queue = await operators.call(rpc.ResumeQueueRequest(queue="bulk"))
    assert (queue.paused, queue.HasField("paused_at"), queue.HasField("paused_by")) == (False, False, False)
    await operators.call(rpc.ResumeQueueRequest(queue="bulk"))
    assert operators.nudged == ["bulk", "bulk"]
    assert [entry.action for entry in await operators.audit()] == ["queue.pause", "queue.resume"]


async def test_an_unknown_queue_is_not_paused(operators: Operators) -> None:
    """Nor resumed."""
    for request in (rpc.PauseQueueRequest(queue="none"), rpc.ResumeQueueRequest(queue="none")):
        with pytest.raises(NotFound) as refused:
            await operators.call(request)
        assert refused.value.reason == "QUEUE_NOT_FOUND"
