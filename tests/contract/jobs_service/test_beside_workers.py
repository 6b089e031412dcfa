"""What operators do, while workers work: locks, fences and the ledger hold for both."""

import asyncio
import contextlib
import uuid
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from millrace.jobs.v1 import jobs_service_pb2 as rpc
from millrace.jobs.v1.job_pb2 import Job
from server.errors import FailedPrecondition
from server.jobs.enqueueing import Jobs
from server.jobs.execution import ClaimedJob, Failure, JobExecution
from server.jobs.prove import differences
from tests.contract.jobs_service.operators import SEND, Operators, Parcel


@pytest.fixture
def worker(engine: AsyncEngine) -> JobExecution:
    return JobExecution(engine, worker="w-1", lease=timedelta(seconds=30))


async def enqueue(operators: Operators, weight: int = 1) -> str:
    jobs = Jobs(lambda queue: None)
    async with operators.sessions.begin() as session:
        return str(await jobs.enqueue(session, SEND, Parcel(weight), queue="bulk"))


async def claim(worker: JobExecution) -> ClaimedJob:
    [job] = await worker.claim("bulk", 1)
    return job


async def test_a_worker_hears_that_its_job_is_called_off(operators: Operators, worker: JobExecution) -> None:
    """And nothing else: the state is still for the worker to change."""
    job_id = await enqueue(operators)
    job = await claim(worker)
    await operators.call(rpc.CancelJobRequest(job_id=job_id))
    assert await worker.cancel_requested([job]) == {uuid.UUID(job_id)}
    assert await worker.cancelled(job)
    assert (await operators.seen(job_id)).state == Job.CANCELLED


async def test_a_retried_job_gets_a_new_token_and_its_new_payload(
    operators: Operators, worker: JobExecution
) -> None:
    """The worker that had it before cannot end it any more."""
    job_id = await enqueue(operators)
    first = await claim(worker)
    await worker.fail(first, Failure("no road", "Traceback"), retry_in=None)
    assert (await operators.seen(job_id)).history[0].outcome == "FAILED"
    request = rpc.RetryJobRequest(job_id=job_id)
    request.payload.update({"weight": 2})
    await operators.call(request)
    second = await claim(worker)
    assert (second.attempt, second.failures) == (first.attempt + 1, 0)
    assert SEND.decode(second.version, second.payload) == Parcel(2)
    assert await worker.complete([(first, None)]) == set()


async def test_nobody_claims_from_a_paused_queue(operators: Operators, worker: JobExecution) -> None:
    """Until it is resumed."""
    await enqueue(operators)
    await operators.call(rpc.PauseQueueRequest(queue="bulk"))
    assert await worker.claim("bulk", 1) == []
    await operators.call(rpc.ResumeQueueRequest(queue="bulk"))
    assert len(await worker.claim("bulk", 1)) == 1


async def test_the_books_balance_after_all_of_it(
    operators: Operators, worker: JobExecution, engine: AsyncEngine
) -> None:
    """Sixty jobs that are claimed, failed, finished, called off and retried at the same time."""
    ids = [await enqueue(operators) for _ in range(60)]

    async def work() -> None:
        for _ in range(30):
            for number, job in enumerate(await worker.claim("bulk", 4)):
                if number % 2:
                    await worker.fail(job, Failure("no road"), retry_in=None)
                else:
                    await worker.complete([(job, {"signed": True})])

    async def operate(job_id: str) -> None:
        for request in (rpc.CancelJobRequest(job_id=job_id), rpc.RetryJobRequest(job_id=job_id)):
            # A worker may have been there before: then the state does not allow it.
            with contextlib.suppress(FailedPrecondition):
                await operators.call(request)

    async def retry_dead() -> None:
        for _ in range(10):
            await operators.call(rpc.RetryDeadJobsRequest(limit=5))

    await asyncio.gather(work(), work(), retry_dead(), *(operate(job_id) for job_id in ids[::3]))

    actions = {entry.action for entry in await operators.audit()}
    assert actions == {"job.cancel", "job.retry", "job.retry_dead"}
    async with engine.connect() as connection:
        assert await differences(connection) == []
