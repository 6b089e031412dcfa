"""An engine, sessions and a queue of the test's own, over a migrated PostgreSQL."""

from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from server.jobs.enqueueing import Jobs
from server.jobs.execution import JobExecution
from server.jobs.tasks import Task


class Letter(msgspec.Struct):
    """The payload of the tests' task."""

    to: str
    pages: int = 1


LETTER = Task("test.letter", Letter)


@pytest.fixture
def nudged() -> list[str]:
    """The queues whose workers were woken, in order."""
    return []


@pytest.fixture
def jobs(nudged: list[str]) -> Jobs:
    return Jobs(nudged.append)


@pytest.fixture
def execution(engine: AsyncEngine) -> JobExecution:
    return JobExecution(engine, worker="tester", lease=timedelta(seconds=30))


async def rows(engine: AsyncEngine, statement: str) -> list[tuple[object, ...]]:
    """What a query finds, as plain tuples."""
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(statement))]
