"""What the scheduler's tests stand on: a migrated PostgreSQL, a queue, and a task nobody has to run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from server.jobs.enqueueing import Jobs
from server.jobs.execution import JobExecution
from server.jobs.tasks import Task
from workers.process_settings import ProcessSettings


class Chore(msgspec.Struct):
    """The payload of the tests' task."""

    name: str = "sweep"


CHORE = Task("test.chore", Chore)
LEASE = timedelta(seconds=30)


@pytest.fixture
async def connection(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection that commits by itself."""
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        yield connection


@pytest.fixture
def jobs() -> Jobs:
    return Jobs(lambda queue: None)


@pytest.fixture
def execution(engine: AsyncEngine) -> JobExecution:
    return JobExecution(engine, worker="tester", lease=LEASE)


@pytest.fixture
def settings(postgres_dsn: str, redis_url: str, redis_prefix: str) -> ProcessSettings:
    return ProcessSettings(
        postgres_dsn=SecretStr(postgres_dsn), redis_url=SecretStr(redis_url), redis_prefix=redis_prefix
    )


async def rows(connection: AsyncConnection, statement: str) -> list[tuple[object, ...]]:
    """What a statement returns, as plain tuples."""
    found = await connection.execute(text(statement))
    return [tuple(row) for row in found] if found.returns_rows else []
