"""JobsService on the wire: messages in, messages out. Rules and transactions live in the service."""

import uuid
from typing import Any

from millrace.jobs.v1 import jobs_service_pb2 as rpc
from millrace.jobs.v1.job_pb2 import Job as JobMessage
from millrace.jobs.v1.jobs_service_pb2_grpc import JobsServiceServicer
from millrace.jobs.v1.queue_pb2 import Queue
from server.auth.actor import current_actor
from server.jobs.messages import job_message, outline_message, queue_message, read_payload
from server.jobs.models import JobState
from server.jobs.repository import JobFilter
from server.jobs.service import JobsService
from server.rpc.pages import PageTokens

_MOST_RETRIED = 10_000


class JobsServicer(JobsServiceServicer):
    """Every RPC of `millrace.jobs.v1.JobsService`."""

    def __init__(self, service: JobsService, *, page_tokens: PageTokens) -> None:
        self._service = service
        self._pages = page_tokens

    async def ListJobs(self, request: rpc.ListJobsRequest, context: Any) -> rpc.ListJobsResponse:  # noqa: N802
        caller = current_actor().principal.identity
        page = self._pages.open(request, caller=caller)
        after = uuid.UUID(str(page.after[0])) if page.after else None
        wanted = JobFilter(
            state=JobState(JobMessage.State.Name(request.state)) if request.state else None,
            queue=request.queue or None,
            task=request.task or None,
        )
        # One more than asked for tells whether there is a next page.
        found = await self._service.page(wanted, size=page.size + 1, after=after)
        shown = found[: page.size]
        answer = rpc.ListJobsResponse(jobs=map(outline_message, shown))
        if len(found) > page.size:
            position = (str(shown[-1].job_id),)
            answer.next_page_token = self._pages.seal(request, caller=caller, after=position)
        return answer

    async def GetJob(self, request: rpc.GetJobRequest, context: Any) -> JobMessage:  # noqa: N802
        return job_message(await self._service.read(uuid.UUID(request.job_id)))

    async def RetryJob(self, request: rpc.RetryJobRequest, context: Any) -> JobMessage:  # noqa: N802
        payload = read_payload(request.payload) if request.HasField("payload") else None
        return job_message(await self._service.retry(current_actor(), uuid.UUID(request.job_id), payload))

    async def CancelJob(self, request: rpc.CancelJobRequest, context: Any) -> JobMessage:  # noqa: N802
        return job_message(await self._service.cancel(current_actor(), uuid.UUID(request.job_id)))

    async def RetryDeadJobs(  # noqa: N802
        self, request: rpc.RetryDeadJobsRequest, context: Any
    ) -> rpc.RetryDeadJobsResponse:
        wanted = JobFilter(queue=request.queue or None, task=request.task or None)
        payload = read_payload(request.payload) if request.HasField("payload") else None
        limit = request.limit or _MOST_RETRIED
        retried = await self._service.retry_dead(current_actor(), wanted, payload, limit=limit)
        return rpc.RetryDeadJobsResponse(retried=retried)

    async def ListQueues(self, request: rpc.ListQueuesRequest, context: Any) -> rpc.ListQueuesResponse:  # noqa: N802
        return rpc.ListQueuesResponse(queues=map(queue_message, await self._service.queues()))

    async def PauseQueue(self, request: rpc.PauseQueueRequest, context: Any) -> Queue:  # noqa: N802
        return queue_message(await self._service.pause(current_actor(), request.queue))

    async def ResumeQueue(self, request: rpc.ResumeQueueRequest, context: Any) -> Queue:  # noqa: N802
        return queue_message(await self._service.resume(current_actor(), request.queue))
