"""The handlers as a worker builds them, each run once on a real job."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis
from server.db.engine import make_sessions
from server.jobs.enqueueing import Jobs
from server.jobs.execution import JobExecution
from server.jobs.models import Job
from server.jobs.tasks import Task
from server.media.store import ObjectStore
from workers.confined import ConfinedCalls
from workers.job_run import JobRun
from workers.leases import HeldJob
from workers.process_slots import ProcessSlots
from workers.resources import Resources
from workers.settings import WorkerSettings
from workers.tasks.handlers import all_handlers


@dataclass
class Turn:
    """What a worker's turn at one job takes, without the worker."""

    resources: Resources
    execution: JobExecution
    confined: ConfinedCalls

    async def begin(self, task: Task[Any], payload: msgspec.Struct) -> JobRun[Any]:
        """A run of a job that was enqueued and claimed."""
        async with self.resources.sessions.begin() as session:
            await self.resources.jobs.enqueue(session, task, payload)
        (claimed,) = await self.execution.claim(task.queue, 1)
        return JobRun(
            HeldJob(claimed),
            task.decode(claimed.version, claimed.payload),
            execution=self.execution,
            sessions=self.resources.sessions,
            slots=ProcessSlots(1),
            confined=self.confined,
        )

    async def run(self, task: Task[Any], payload: msgspec.Struct) -> Any:
        """What the task's handler returns or raises, given such a run."""
        run = await self.begin(task, payload)
        found = all_handlers(self.resources).find(task.name)
        assert found is not None
        try:
            result = await found[1](run)
        finally:
            await run.save()
        await self.execution.complete([(run.job, result)])
        return result

    async def newest(self) -> Job:
        """The job enqueued last, as it is now."""
        async with self.resources.sessions() as session:
            return (await session.scalars(select(Job).order_by(Job.job_id.desc()).limit(1))).one()


@pytest.fixture
async def turn(
    engine: AsyncEngine, postgres_dsn: str, redis_url: str, redis_prefix: str
) -> AsyncIterator[Turn]:
    settings = WorkerSettings(
        postgres_dsn=SecretStr(postgres_dsn),
        redis_url=SecretStr(redis_url),
        redis_prefix=redis_prefix,
        click_retention_days=100,
    )
    async with await PipeliningRedis.open(redis_url, timeout=0.5) as redis:
        resources = Resources(
            settings=settings,
            engine=engine,
            sessions=make_sessions(engine),
            urgent_sessions=make_sessions(engine),
            redis=redis,
            stream_keys=StreamKeys(redis_prefix),
            jobs=Jobs(lambda queue: None),
            store=ObjectStore(settings),
        )
        execution = JobExecution(engine, worker="tester", lease=timedelta(seconds=30))
        async with ConfinedCalls(1) as confined:
            yield Turn(resources, execution, confined)
