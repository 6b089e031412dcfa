"""Operators look at jobs, retry them and call them off; every change is audited and in the ledger."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.struct_pb2 import Struct

from millrace.jobs.v1 import jobs_service_pb2 as rpc
from millrace.jobs.v1.job_pb2 import Job
from server.auth.principal import Principal, Role
from server.errors import FailedPrecondition, InvalidArgument, NotFound
from tests.contract.jobs_service.operators import SEND, Operators

OPEN_OR_DONE = ["READY", "RUNNING", "DONE"]


def payload(**fields: object) -> Struct:
    struct = Struct()
    struct.update(fields)  # type: ignore[arg-type]  # any JSON value, wrong ones too
    return struct


async def test_a_job_is_shown_with_all_that_is_known_of_it(operators: Operators) -> None:
    """Payload, runs, log, progress, error and result come as they are stored."""
    began = datetime(2026, 1, 1, tzinfo=UTC)
    turn = {
        "attempt": 1,
        "outcome": "FAILED",
        "worker": "w-1",
        "started_at": "2026-01-01T00:00:00.5+00:00",
        "ended_at": "2026-01-01T00:00:01+00:00",
        "error": "no road",
    }
    job_id = await operators.job(
        "DONE",
        history=[turn],
        log=[{"at": "2026-01-01T00:00:02+00:00", "attempt": 2, "line": "half way"}],
        result={"signed": True},
        progress_done=5,
        progress_total=10,
        progress_note="parcels",
        started_at=began,
        traceback="Traceback",
        error="no road",
        request_id="r-1",
    )
    job = await operators.seen(job_id)
    assert (job.state, job.task, job.version, job.queue) == (Job.DONE, SEND.name, 2, "bulk")
    assert dict(job.payload) == {"weight": 1}
    assert (job.history[0].outcome, job.history[0].error, job.history[0].worker) == (
        "FAILED",
        "no road",
        "w-1",
    )
    assert job.history[0].started_at.nanos == 500_000_000
    assert (job.log[0].line, job.log[0].attempt) == ("half way", 2)
    assert (job.progress.done, job.progress.total, job.progress.note) == (5, 10, "parcels")
    assert dict(job.result.struct_value) == {"signed": True}
    assert (job.traceback, job.request_id) == ("Traceback", "r-1")
    assert job.started_at.ToDatetime(tzinfo=UTC) == began


async def test_nobody_has_an_unknown_job(operators: Operators) -> None:
    """Reading, retrying and cancelling it say so."""
    job_id = str(uuid.uuid4())
    for request in (rpc.GetJobRequest, rpc.RetryJobRequest, rpc.CancelJobRequest):
        with pytest.raises(NotFound) as refused:
            await operators.call(request(job_id=job_id))
        assert refused.value.reason == "JOB_NOT_FOUND"


async def test_pages_hold_every_job_once_newest_first(operators: Operators) -> None:
    """Following the tokens gives all of the filter and nothing else, without payloads."""
    mine = [await operators.job("DEAD", traceback="T") for _ in range(5)]
    await operators.job("READY")
    await operators.job("DEAD", queue="default")
    await operators.job("DEAD", task="test.other")
    request = rpc.ListJobsRequest(page_size=2, state=Job.DEAD, queue="bulk", task=SEND.name)
    found: list[Job] = []
    while True:
        answer = await operators.call(request)
        found += answer.jobs
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert [job.job_id for job in found] == mine[::-1]
    assert not any(job.HasField("payload") or job.traceback for job in found)


async def test_a_page_token_is_good_for_its_filter_and_caller(operators: Operators) -> None:
    """With another queue, or in other hands, it is refused."""
    for _ in range(2):
        await operators.job("READY")
    token = (await operators.call(rpc.ListJobsRequest(page_size=1))).next_page_token
    other = Principal("other@test", Role.ADMIN)
    for request, caller in (
        (rpc.ListJobsRequest(page_size=1, page_token=token, queue="bulk"), None),
        (rpc.ListJobsRequest(page_size=1, page_token=token), other),
    ):
        with pytest.raises(InvalidArgument) as refused:
            await (operators.call(request, caller) if caller else operators.call(request))
        assert refused.value.reason == "PAGE_TOKEN_INVALID"


@pytest.mark.parametrize("state", ["DEAD", "CANCELLED"])
async def test_a_finished_job_is_reopened(operators: Operators, state: str) -> None:
    """It is READY with its failures forgotten, keeps its attempt, and workers and ledger hear of it."""
    asked = datetime.now(UTC)
    job_id = await operators.job(state, attempt=7, failures=3, expiries=3, cancel_requested_at=asked)
    job = await operators.call(rpc.RetryJobRequest(job_id=job_id))
    assert (job.state, job.attempt, job.failures, job.expiries) == (Job.READY, 7, 0, 0)
    assert not job.HasField("finished_at")
    # Else its next worker would call it off again.
    assert not job.HasField("cancel_requested_at")
    assert operators.nudged == ["bulk"]
    assert await operators.ledger() == {"REOPENED": 1}


@pytest.mark.parametrize("state", ["RETRYING", "SCHEDULED"])
async def test_a_waiting_job_is_made_ready_before_its_time(operators: Operators, state: str) -> None:
    """Nothing was finished, so the ledger stays as it is."""
    later = datetime.now(UTC) + timedelta(hours=1)
    job_id = await operators.job(state, run_at=later, failures=4)
    job = await operators.call(rpc.RetryJobRequest(job_id=job_id))
    assert job.state == Job.READY
    assert job.run_at.ToDatetime(tzinfo=UTC) < datetime.now(UTC) + timedelta(minutes=1)
    assert operators.nudged == ["bulk"]
    assert await operators.ledger() == {}


@pytest.mark.parametrize("state", OPEN_OR_DONE)
async def test_other_states_are_not_retried(operators: Operators, state: str) -> None:
    """They are named in the refusal, and nothing changes."""
    job_id = await operators.job(state)
    with pytest.raises(FailedPrecondition) as refused:
        await operators.call(rpc.RetryJobRequest(job_id=job_id))
    assert (refused.value.reason, refused.value.metadata) == ("STATE_CONFLICT", {"state": state})
    assert (operators.nudged, await operators.audit()) == ([], [])


async def test_an_equal_job_that_waits_keeps_a_cancelled_one_from_coming_back(operators: Operators) -> None:
    """The unique key stays unique."""
    job_id = await operators.job("CANCELLED", attempt=0, unique_key="k")
    await operators.job("READY", unique_key="k")
    with pytest.raises(FailedPrecondition) as refused:
        await operators.call(rpc.RetryJobRequest(job_id=job_id))
    assert refused.value.reason == "STATE_CONFLICT"
    assert (await operators.ledger(), operators.nudged) == ({}, [])


async def test_an_edited_payload_is_stored_in_the_newest_form(operators: Operators) -> None:
    """Whole numbers stay whole, defaults are filled in, and the audit has both payloads."""
    job_id = await operators.job("DEAD")
    job = await operators.call(rpc.RetryJobRequest(job_id=job_id, payload=payload(weight=12)))
    assert job.version == SEND.version
    [entry] = await operators.audit()
    assert (entry.actor, entry.action, entry.subject) == ("operator@test", "job.retry", f"job/{job_id}")
    assert entry.before is not None
    assert entry.after is not None
    assert (entry.before["state"], entry.before["payload"]) == ("DEAD", {"weight": 1})
    assert (entry.after["state"], entry.after["payload"]) == ("READY", {"weight": 12, "labels": []})
    assert isinstance(entry.after["payload"]["weight"], int)


BAD_PAYLOADS: list[tuple[dict[str, object], str]] = [
    ({}, "payload.weight"),
    ({"weight": "much"}, "payload.weight"),
    ({"weight": 1.5}, "payload.weight"),
    ({"weight": 1, "labels": ["a", 2]}, "payload.labels[1]"),
    ({"weight": 1, "colour": "red"}, "payload.colour"),
    ({"weight": float("nan")}, "payload"),
    ({"weight": 1, "labels": ["\0"]}, "payload"),
]


@pytest.mark.parametrize(("fields", "named"), BAD_PAYLOADS)
async def test_a_payload_that_the_task_would_not_understand_is_refused(
    operators: Operators, fields: dict[str, object], named: str
) -> None:
    """The part at fault is named, for one job and for all, and nothing changes."""
    job_id = await operators.job("DEAD")
    edited = payload(**fields)
    for request in (
        rpc.RetryJobRequest(job_id=job_id, payload=edited),
        rpc.RetryDeadJobsRequest(task=SEND.name, payload=edited),
    ):
        with pytest.raises(InvalidArgument) as refused:
            await operators.call(request)
        assert [violation.field for violation in refused.value.fields] == [named]
    assert (await operators.seen(job_id)).state == Job.DEAD


async def test_the_payload_of_an_unknown_task_is_taken_as_it_is(operators: Operators) -> None:
    """A newer release may know it; its version stays."""
    job_id = await operators.job("DEAD", task="test.unknown", version=9)
    job = await operators.call(rpc.RetryJobRequest(job_id=job_id, payload=payload(anything=True)))
    assert (job.version, dict(job.payload)) == (9, {"anything": True})


@pytest.mark.parametrize("state", ["SCHEDULED", "READY", "RETRYING"])
async def test_a_job_that_waits_is_cancelled_at_once(operators: Operators, state: str) -> None:
    """Repeating it answers the same and leaves one line in ledger and audit."""
    job_id = await operators.job(state)
    first = await operators.call(rpc.CancelJobRequest(job_id=job_id))
    again = await operators.call(rpc.CancelJobRequest(job_id=job_id))
    assert (first.state, first.HasField("finished_at"), again) == (Job.CANCELLED, True, first)
    assert await operators.ledger() == {"FINISHED": 1}
    [entry] = await operators.audit()
    assert (entry.action, entry.before, entry.after) == (
        "job.cancel",
        {"state": state},
        {"state": "CANCELLED"},
    )


async def test_a_running_job_is_asked_to_stop(operators: Operators) -> None:
    """It stays RUNNING until its worker heeds; asking again keeps the first time."""
    job_id = await operators.job("RUNNING")
    first = await operators.call(rpc.CancelJobRequest(job_id=job_id))
    again = await operators.call(rpc.CancelJobRequest(job_id=job_id))
    assert first.state == Job.RUNNING
    assert first.HasField("cancel_requested_at")
    assert again == first
    assert await operators.ledger() == {}
    assert len(await operators.audit()) == 1


@pytest.mark.parametrize("state", ["DONE", "DEAD"])
async def test_a_finished_job_is_not_cancelled(operators: Operators, state: str) -> None:
    """Also when somebody had asked for it while it ran."""
    job_id = await operators.job(state, cancel_requested_at=datetime.now(UTC))
    with pytest.raises(FailedPrecondition) as refused:
        await operators.call(rpc.CancelJobRequest(job_id=job_id))
    assert (refused.value.reason, refused.value.metadata) == ("STATE_CONFLICT", {"state": state})


async def test_dead_jobs_are_retried_within_filter_and_limit(operators: Operators) -> None:
    """The oldest first; others stay DEAD, and each retried one is in the audit."""
    mine = [await operators.job("DEAD") for _ in range(3)]
    others = [await operators.job("DEAD", queue="default"), await operators.job("DEAD", task="test.other")]
    answer = await operators.call(rpc.RetryDeadJobsRequest(queue="bulk", task=SEND.name, limit=2))
    assert answer.retried == 2
    states = [(await operators.seen(job_id)).state for job_id in [*mine, *others]]
    assert states == [Job.READY, Job.READY, Job.DEAD, Job.DEAD, Job.DEAD]
    assert operators.nudged == ["bulk"]
    assert await operators.ledger() == {"REOPENED": 2}
    assert [entry.subject for entry in await operators.audit()] == [f"job/{job_id}" for job_id in mine[:2]]


async def test_dead_jobs_are_retried_with_another_payload(operators: Operators) -> None:
    """All of the task get it; the audit keeps what each had."""
    job_id = await operators.job("DEAD", failures=4, expiries=2, cancel_requested_at=datetime.now(UTC))
    request = rpc.RetryDeadJobsRequest(task=SEND.name, payload=payload(weight=3))
    assert (await operators.call(request)).retried == 1
    job = await operators.seen(job_id)
    assert (job.version, dict(job.payload)["weight"]) == (SEND.version, 3)
    assert (job.failures, job.expiries, job.HasField("cancel_requested_at")) == (0, 0, False)
    [entry] = await operators.audit()
    assert entry.before is not None
    assert entry.after is not None
    assert (entry.before["payload"], entry.before["version"]) == ({"weight": 1}, 2)
    assert (entry.before["failures"], entry.before["expiries"]) == (4, 2)
    assert (entry.after["payload"], entry.after["version"]) == ({"weight": 3, "labels": []}, 3)


async def test_a_payload_for_all_needs_a_task(operators: Operators) -> None:
    """No two tasks have the same form."""
    with pytest.raises(InvalidArgument) as refused:
        await operators.call(rpc.RetryDeadJobsRequest(payload=payload(weight=3)))
    assert refused.value.fields[0].field == "task"


async def test_no_filter_means_every_dead_job(operators: Operators) -> None:
    """Of all queues, each of which is nudged; asked twice at once, each job is retried once."""
    for queue in ("bulk", "default", "critical"):
        for _ in range(20):
            await operators.job("DEAD", queue=queue)
    answers = await asyncio.gather(*(operators.call(rpc.RetryDeadJobsRequest()) for _ in range(3)))
    assert sum(answer.retried for answer in answers) == 60
    assert set(operators.nudged) == {"bulk", "default", "critical"}
    assert await operators.ledger() == {"REOPENED": 60}
    assert len(await operators.audit()) == 60
