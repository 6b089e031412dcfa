"""The jobs service behind the rules of the contract, and jobs in whatever state a test needs."""

import uuid
from dataclasses import dataclass, field
from typing import Any

import msgspec
from google.protobuf.message import Message
from sqlalchemy import insert, select, text

from millrace.jobs.v1 import jobs_service_pb2 as rpc
from millrace.jobs.v1.job_pb2 import Job as JobMessage
from millrace.jobs.v1.queue_pb2 import Queue
from millrace.streams.ids import new_id_bytes
from server.audit import AuditEntry
from server.auth.principal import Principal, Role, acting_as
from server.db.engine import Sessions
from server.jobs.models import Job
from server.jobs.servicer import JobsServicer
from server.jobs.tasks import Task
from server.rpc.validation import ContractRules

OPERATOR = Principal("operator@test", Role.ADMIN)


class Parcel(msgspec.Struct):
    """What the tests send: a weight that must be there, labels that need not."""

    weight: int
    labels: list[str] = []


SEND = Task("test.send", Parcel, version=3, upgrades={2: dict})


@dataclass
class Operators:
    """The servicer, the queues that it nudged, and the database behind it."""

    servicer: JobsServicer
    rules: ContractRules
    sessions: Sessions
    nudged: list[str] = field(default_factory=list)

    async def call(self, request: Message, principal: Principal = OPERATOR) -> Any:
        """The answer to a request, whose type names the method."""
        self.rules.check(request)
        method = getattr(self.servicer, type(request).__name__.removesuffix("Request"))
        with acting_as(principal):
            return await method(request, None)

    async def job(self, state: str, **values: Any) -> str:
        """The id of a job that is stored in a state, with its line in the ledger."""
        columns: dict[str, Any] = {
            "job_id": uuid.UUID(bytes=new_id_bytes()),
            "task": SEND.name,
            "version": 2,
            "payload": {"weight": 1},
            "queue": "bulk",
            "state": state,
            "attempt": 0 if state in ("SCHEDULED", "READY") else 1,
            **values,
        }
        if state == "RUNNING":
            columns["lease_until"] = text("clock_timestamp() + interval '30 seconds'")
        if state in ("DONE", "DEAD", "CANCELLED"):
            columns.setdefault("finished_at", text("clock_timestamp()"))
        async with self.sessions.begin() as session:
            await session.execute(insert(Job).values(columns))
        return str(columns["job_id"])

    async def seen(self, job_id: str) -> JobMessage:
        job = await self.call(rpc.GetJobRequest(job_id=job_id))
        assert isinstance(job, JobMessage)
        return job

    async def queue(self, name: str) -> Queue:
        answer = await self.call(rpc.ListQueuesRequest())
        [queue] = [one for one in answer.queues if one.queue == name]
        assert isinstance(queue, Queue)
        return queue

    async def audit(self) -> list[AuditEntry]:
        async with self.sessions() as session:
            return list(await session.scalars(select(AuditEntry).order_by(AuditEntry.entry_id)))

    async def ledger(self) -> dict[str, int]:
        """How many jobs the ledger has of each kind."""
        async with self.sessions() as session:
            rows = await session.execute(
                text("SELECT kind, sum(jobs)::int AS n FROM job_ledger GROUP BY kind")
            )
            return {row.kind: row.n for row in rows}
