"""JobsService from a real channel, and over REST through a real edge."""

import json
from typing import Any

import aiohttp
import grpc
import pytest

from millrace.errors import error_from_rpc
from millrace.jobs.v1 import jobs_service_pb2 as rpc
from millrace.jobs.v1.jobs_service_pb2_grpc import JobsServiceStub
from server.audit import AuditEntry
from server.auth.principal import Role
from server.jobs.declared import PING
from tests.contract.conftest import Mint
from tests.contract.edge.running_edge import running_edge
from tests.contract.jobs_service.operators import Operators

CALLS = [
    ("ListJobs", rpc.ListJobsRequest()),
    ("GetJob", rpc.GetJobRequest()),
    ("RetryJob", rpc.RetryJobRequest()),
    ("CancelJob", rpc.CancelJobRequest()),
    ("RetryDeadJobs", rpc.RetryDeadJobsRequest()),
    ("ListQueues", rpc.ListQueuesRequest()),
    ("PauseQueue", rpc.PauseQueueRequest()),
    ("ResumeQueue", rpc.ResumeQueueRequest()),
]


@pytest.mark.parametrize("role", [Role.PARTNER, Role.SERVICE])
async def test_only_admins_are_served(channel: grpc.aio.Channel, mint: Mint, role: Role) -> None:
    """Whatever the method, and before its request is looked at."""
    stub = JobsServiceStub(channel)
    partner_id = "0190a7f0-0000-7000-8000-000000000001" if role is Role.PARTNER else None
    metadata = (("authorization", f"Bearer {mint(role, partner_id)}"),)
    assert {method.name for method in rpc.DESCRIPTOR.services_by_name["JobsService"].methods} == dict(
        CALLS
    ).keys()
    for name, request in CALLS:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await getattr(stub, name)(request, metadata=metadata)
        assert error_from_rpc(failed.value).reason == "ROLE_NOT_ALLOWED"


async def test_operators_work_over_rest(
    grpc_target: str, redis_url: str, redis_prefix: str, mint: Mint, operators: Operators
) -> None:
    """Look, be told of a wrong payload, retry with a good one, pause: as the edge translates it."""
    job_id = await operators.job("DEAD", task=PING.name, version=PING.version, payload={}, queue=PING.queue)
    port = int(grpc_target.rpartition(":")[2])
    headers = {"authorization": f"Bearer {mint(Role.ADMIN)}"}
    request_ids: dict[str, str] = {}
    async with (
        running_edge(redis_url, port, prefix=redis_prefix) as edge,
        aiohttp.ClientSession(f"http://{edge.address}", headers=headers) as session,
    ):

        async def ask(method: str, path: str, body: Any = None) -> tuple[int, Any]:
            async with session.request(method, path, json=body) as answer:
                request_ids[path] = answer.headers["X-Request-ID"]
                return answer.status, json.loads(await answer.read())

        status, listed = await ask("GET", f"/api/v1/jobs?state=DEAD&queue={PING.queue}&task={PING.name}")
        assert (status, [job["jobId"] for job in listed["jobs"]]) == (200, [job_id])
        status, job = await ask("GET", f"/api/v1/jobs/{job_id}")
        assert (status, job["state"], job["payload"]) == (200, "DEAD", {})
        status, problem = await ask("POST", f"/api/v1/jobs/{job_id}:retry", {"payload": {"said_so": 1}})
        assert (status, problem["errors"][0]["field"]) == (400, "payload.said_so")
        status, job = await ask("POST", f"/api/v1/jobs/{job_id}:retry")
        assert (status, job["state"]) == (200, "READY")
        status, problem = await ask("POST", f"/api/v1/jobs/{job_id}:retry")
        assert (status, problem["reason"]) == (400, "STATE_CONFLICT")
        status, job = await ask("POST", f"/api/v1/jobs/{job_id}:cancel")
        assert (status, job["state"]) == (200, "CANCELLED")
        assert await ask("POST", "/api/v1/jobs:retryDead", {"limit": 5}) == (200, {"retried": 0})
        status, queue = await ask("POST", f"/api/v1/queues/{PING.queue}:pause")
        assert (status, queue["paused"], queue["pausedBy"]) == (200, True, "tester")
        status, queues = await ask("GET", "/api/v1/queues")
        assert [one["queue"] for one in queues["queues"] if one["paused"]] == [PING.queue]
        status, queue = await ask("POST", f"/api/v1/queues/{PING.queue}:resume")
        assert (status, queue["paused"]) == (200, False)
    entries: list[AuditEntry] = await operators.audit()
    assert [entry.action for entry in entries] == ["job.retry", "job.cancel", "queue.pause", "queue.resume"]
    assert entries[-1].request_id == request_ids[f"/api/v1/queues/{PING.queue}:resume"]
