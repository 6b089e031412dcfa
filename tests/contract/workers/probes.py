"""Tasks for the tests of workers, and how their jobs are watched."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from server.jobs.tasks import Task


class Nothing(msgspec.Struct):
    """No payload."""


class Number(msgspec.Struct):
    number: int


PROBE = Task("tests.probe", Nothing)
NUMBERED = Task("tests.numbered", Number)
BULK = Task("tests.bulk", Nothing, queue="bulk")
BRIEF = Task("tests.brief", Nothing, time_limit=0.2)


async def state_reached(postgres: asyncpg.Connection, job_id: UUID, *states: str) -> Any:
    """The job's row once it is in one of the states; fails after ten seconds."""
    try:
        async with asyncio.timeout(10):
            while True:
                row = await postgres.fetchrow("SELECT * FROM jobs WHERE job_id = $1", job_id)
                if row["state"] in states:
                    return row
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{dict(row)} never became {states}") from None
