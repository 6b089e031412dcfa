"""Workers and schedulers as processes over real services, to be watched, killed, frozen and started again."""

import asyncio
import itertools
import os
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from server.auth.actor import Actor
from server.auth.principal import Principal, Role
from server.db.engine import make_engine, make_sessions
from server.jobs.edits import DeclaredTasks
from server.jobs.enqueueing import Jobs
from server.jobs.prove import differences
from server.jobs.repository import JobFilter
from server.jobs.service import JobsService
from server.jobs.tasks import Task
from server.jobs.wakeups import Nudger, make_broker
from server.standalone.children import Child, ChildSpec
from server.standalone.ports import free_port
from server.standalone.probes import http_ok
from tests.jobs_probe.tasks import WITNESS_TABLES

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 30.0
PROBES = "task LIKE 'probe.%'"


class Ground:
    """One queue with its services' addresses; processes started here end with the block.

    `lease` and `grace` are the workers', in seconds. Instants in its tables are PostgreSQL's.
    """

    def __init__(self, dsn: str, redis_url: str, prefix: str, folder: Path, *, lease: float = 2.0) -> None:
        self._addresses = {
            "MILLRACE_POSTGRES_DSN": dsn,
            "MILLRACE_REDIS_URL": redis_url,
            "MILLRACE_REDIS_PREFIX": prefix,
        }
        self.engine: AsyncEngine = make_engine(dsn)
        self.sessions = make_sessions(self.engine)
        self.lease = lease
        self._folder = folder
        self._nudger = Nudger(make_broker(redis_url, prefix))
        self.jobs = Jobs(self._nudger.nudge)
        self._numbers = itertools.count(1)
        self._children: list[Child] = []
        # Workers that were killed by their pid, as effects name it.
        self.killed: list[int] = []

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.engine.dispose)
            await stack.enter_async_context(self._nudger)
            stack.push_async_callback(self._stop_all)
            async with self.engine.begin() as connection:
                for statement in WITNESS_TABLES.split(";")[:-1]:
                    await connection.execute(text(statement))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stack.aclose()

    async def _stop_all(self) -> None:
        for child in self._children:
            child.kill()
        await asyncio.gather(*(child.wait() for child in self._children))

    async def start_worker(self, *, ready: bool = True, release: str = "new", **settings: str) -> Child:
        """A worker whose tasks are the probes; with `ready` it is waited for."""
        return await self._start(
            "tests.jobs_probe",
            ready=ready,
            MILLRACE_JOB_LEASE_SECONDS=str(self.lease),
            MILLRACE_PROBE_RELEASE=release,
            **settings,
        )

    async def start_scheduler(self, *, ready: bool = True) -> Child:
        """A scheduler as it is deployed."""
        return await self._start("workers.scheduler", ready=ready)

    async def _start(self, module: str, *, ready: bool, **settings: str) -> Child:
        port = free_port()
        name = f"{module.rpartition('.')[2]}-{next(self._numbers)}"
        environment = {**os.environ, **self._addresses, "MILLRACE_METRICS_PORT": str(port), **settings}
        child = await Child.start(
            ChildSpec(
                name=name,
                command=(sys.executable, "-m", module),
                environment=environment,
                folder=ROOT,
                log=self._folder / f"{name}.log",
                ready=http_ok(port, "/readyz"),
            )
        )
        self._children.append(child)
        if ready:
            await child.wait_ready(READY_SECONDS)
        return child

    @asynccontextmanager
    async def kept_worker(self, **settings: str) -> AsyncIterator["KeptWorker"]:
        """A worker that is started again whenever it ended, as a supervisor would."""
        kept = KeptWorker(lambda: self.start_worker(ready=False, **settings))
        await kept.start()
        try:
            yield kept
        finally:
            await kept.stop()

    async def enqueue(self, task: Task[Any], payload: msgspec.Struct, **options: Any) -> uuid.UUID:
        """A job in a transaction of its own."""
        async with self.sessions.begin() as session:
            return await self.jobs.enqueue(session, task, payload, **options)

    async def enqueue_many(self, task: Task[Any], payloads: Sequence[msgspec.Struct], **options: Any) -> None:
        """Jobs in transactions of a hundred."""
        for start in range(0, len(payloads), 100):
            async with self.sessions.begin() as session:
                for payload in payloads[start : start + 100]:
                    await self.jobs.enqueue(session, task, payload, **options)

    async def rows(self, statement: str, **values: object) -> list[Any]:
        """What a query finds."""
        async with self.engine.connect() as connection:
            return list(await connection.execute(text(statement), values))

    async def value(self, statement: str, **values: object) -> Any:
        """The one value that a query finds; None without a row."""
        found = await self.rows(statement, **values)
        return found[0][0] if found else None

    async def change(self, statement: str, **values: object) -> None:
        """Does something to the tables that only time or an operator would."""
        async with self.engine.begin() as connection:
            await connection.execute(text(statement), values)

    async def states(self) -> dict[str, int]:
        """How many probe jobs are in each state."""
        found = await self.rows(f"SELECT state, count(*) FROM jobs WHERE {PROBES} GROUP BY 1")  # noqa: S608
        return {state: count for state, count in found}  # noqa: C416 - rows are no pairs to mypy

    async def until(self, statement: str, *, within: float, **values: object) -> Any:
        """Waits until the query's value is true and returns it. PostgreSQL may be away meanwhile."""
        found: Any = None
        try:
            async with asyncio.timeout(within):
                while not found:
                    await asyncio.sleep(0.02)
                    try:
                        found = await self.value(statement, **values)
                    except (DBAPIError, OSError):
                        await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"not within {within:g} s: {statement}\n{await self.states()}") from None
        return found

    async def until_finished(self, *, within: float) -> dict[str, int]:
        """Waits until no probe job is open; the states that they ended in."""
        await self.until(
            f"SELECT NOT EXISTS (SELECT FROM jobs WHERE {PROBES} AND finished_at IS NULL)",  # noqa: S608
            within=within,
        )
        return await self.states()

    async def replay_dead(self) -> None:
        """Retries what is DEAD, as an operator does once the cause is gone."""
        service = JobsService(self.sessions, jobs=self.jobs, tasks=DeclaredTasks([]))
        operator = Actor(Principal(subject="operator", role=Role.ADMIN), "")
        await service.retry_dead(operator, JobFilter(), None, limit=1000)

    async def until_started(self, job_id: uuid.UUID, attempt: int = 1, *, within: float) -> int:
        """Waits until the attempt has left its start; the process that it runs in."""
        pid = await self.until(
            "SELECT pid FROM probe_starts WHERE job_id = :job_id AND attempt = :attempt",
            within=within,
            job_id=job_id,
            attempt=attempt,
        )
        return int(pid)

    async def assert_every_effect_once(self, jobs: int) -> None:
        """So many jobs are DONE, each with the effect of one attempt, and the ledger agrees."""
        assert await self.states() == {"DONE": jobs}
        effects, distinct = (await self.rows("SELECT count(*), count(DISTINCT job_id) FROM probe_effects"))[0]
        assert (effects, distinct) == (jobs, jobs)
        await self.assert_ledger_agrees()

    async def assert_ledger_agrees(self) -> None:
        """What was enqueued is finished or open, hour by hour."""
        async with self.engine.connect() as connection:
            assert list(await differences(connection)) == []


class KeptWorker:
    """A worker that comes back. Constructor: what starts it."""

    def __init__(self, start: Callable[[], Awaitable[Child]]) -> None:
        self._start = start
        self._keeping: asyncio.Task[None] | None = None
        self.child: Child
        self.deaths = 0

    async def start(self) -> None:
        """Start it for the first time, and from now on after each end."""
        self.child = await self._start()
        self._keeping = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        while True:
            await self.child.wait()
            self.deaths += 1
            self.child = await self._start()

    async def stop(self) -> None:
        """Keep it no longer; the ground ends the process."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
