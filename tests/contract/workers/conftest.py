"""What the workers' tests stand on: a worker inside this process with probe handlers, and its database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from pydantic import SecretStr

from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs
from server.jobs.tasks import Task
from server.jobs.wakeups import Nudger, make_broker
from tests.contract.workers.probes import Nothing
from workers.app import work
from workers.registry import Handlers
from workers.resources import Resources
from workers.settings import WorkerSettings

RunningWorker = Callable[..., AbstractAsyncContextManager[None]]
Enqueue = Callable[..., Awaitable[UUID]]


@pytest.fixture
def settings(postgres_dsn: str, redis_url: str, redis_prefix: str) -> WorkerSettings:
    return WorkerSettings(
        postgres_dsn=SecretStr(postgres_dsn),
        redis_url=SecretStr(redis_url),
        redis_prefix=redis_prefix,
        job_lease_seconds=3.0,
        worker_grace_seconds=5.0,
    )


@pytest.fixture
def working(settings: WorkerSettings) -> RunningWorker:
    """A worker inside this process, stopped gracefully when the block ends."""

    @asynccontextmanager
    async def running(
        *tasks: tuple[Task[Any], Callable[..., Awaitable[Any]]], **changed: Any
    ) -> AsyncIterator[None]:
        def handlers_of(resources: Resources) -> Handlers:
            handlers = Handlers()
            for task, handler in tasks:
                handlers.add(task, handler)
            return handlers

        stopping = asyncio.Event()
        own = settings.model_copy(update=changed)
        worker = asyncio.create_task(work(own, stopping, handlers_of=handlers_of))
        try:
            yield
        finally:
            stopping.set()
            async with asyncio.timeout(20):
                await worker

    return running


@pytest.fixture
async def nudger(redis_url: str, redis_prefix: str) -> AsyncIterator[Nudger]:
    async with Nudger(make_broker(redis_url, redis_prefix)) as nudger:
        yield nudger


@pytest.fixture
def enqueue(sessions: Sessions, nudger: Nudger) -> Enqueue:
    """Enqueues one job in a transaction of its own; its payload is nothing unless given."""
    jobs = Jobs(nudger.nudge)

    async def one(task: Task[Any], payload: Any = None, **options: Any) -> UUID:
        async with sessions.begin() as session:
            return await jobs.enqueue(session, task, Nothing() if payload is None else payload, **options)

    return one


@pytest.fixture
async def postgres(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_dsn)
    yield connection
    await connection.close()
