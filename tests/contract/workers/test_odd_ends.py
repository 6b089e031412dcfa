"""However strangely a run ends, its job comes to an end: it is never RUNNING for ever."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from structlog.testing import capture_logs

from server.jobs.tasks import Postponed, RetryPolicy, Task
from tests.contract.workers.conftest import Enqueue, RunningWorker
from tests.contract.workers.probes import PROBE, state_reached
from workers.job_run import JobRun


class Panic(BaseException):
    """What extension modules raise that do not trust Python to stop."""


class Mute(Exception):  # noqa: N818 - named for what it is
    """An exception that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Shape(msgspec.Struct):
    """A payload of the second version."""

    what: str


def shout(payload: dict[str, Any]) -> dict[str, Any]:
    return {"what": payload["what"].upper()}


ONCE = RetryPolicy(attempts=1)
STRANGE = Task("tests.strange", msgspec.Struct, retry=ONCE)
SHAPED = Task("tests.shaped", Shape, version=2, upgrades={1: shout}, retry=ONCE)


async def await_something_cancelled(run: JobRun[Any]) -> None:
    other = asyncio.ensure_future(asyncio.sleep(60))
    other.cancel()
    await other


async def panic(run: JobRun[Any]) -> None:
    raise Panic("the extension gave up")


async def panic_in_a_group(run: JobRun[Any]) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(panic(run))


async def fail_without_words(run: JobRun[Any]) -> None:
    raise Mute


async def postpone_for_ever(run: JobRun[Any]) -> None:
    raise Postponed(float("inf"), "never")


async def leave(run: JobRun[Any]) -> None:
    sys.exit(3)


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        (await_something_cancelled, "CancelledError"),
        (panic, "Panic: the extension gave up"),
        (panic_in_a_group, "BaseExceptionGroup"),
        (fail_without_words, "Mute"),
        (postpone_for_ever, "ValueError"),
        (leave, "SystemExit: 3"),
    ],
)
async def test_strange_ending(
    working: RunningWorker,
    enqueue: Enqueue,
    postgres: asyncpg.Connection,
    handler: Callable[[JobRun[Any]], Awaitable[None]],
    told: str,
) -> None:
    """Whatever a handler raises is its job's failure, and the worker goes on."""

    async def answer(run: JobRun[Any]) -> str:
        return "done"

    async with working((STRANGE, handler), (PROBE, answer)):
        row = await state_reached(postgres, await enqueue(STRANGE), "DEAD")
        await state_reached(postgres, await enqueue(PROBE), "DONE")
    assert row["error"].startswith(told)


async def test_cancellation_that_is_swallowed(
    working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection
) -> None:
    """A handler that tidies up and returns when its worker stops has not done its job."""
    began = asyncio.Event()

    async def tidy(run: JobRun[Any]) -> str:
        began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "half done"
        return "done"

    async with working((PROBE, tidy), worker_grace_seconds=0.0):
        job_id = await enqueue(PROBE)
        await began.wait()
    row = await state_reached(postgres, job_id, "READY")
    assert row["result"] is None


@pytest.mark.parametrize("result", [object(), {("a", 1): 2}, "\ud800"])
async def test_result_that_is_no_json(
    working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection, result: Any
) -> None:
    """Running again would not help: its job is DEAD at once, and its effects are not repeated."""

    async def answer(run: JobRun[Any]) -> Any:
        return result

    async with working((PROBE, answer)):
        row = await state_reached(postgres, await enqueue(PROBE), "DEAD")
    assert row["attempt"] == 1
    assert row["error"].startswith("MalformedPayload: ")


async def test_upgrade_that_stumbles(
    working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection
) -> None:
    """A payload that its task's own upgrade cannot read ends its job with the reason."""

    async def never(run: JobRun[Any]) -> None:
        raise AssertionError("a payload that cannot be read was handled")

    job_id = await enqueue(SHAPED, Shape("x"))
    await postgres.execute("UPDATE jobs SET version = 1, payload = '{\"what\": null}'")
    async with working((SHAPED, never)):
        row = await state_reached(postgres, job_id, "DEAD")
    assert "'NoneType' object has no attribute 'upper'" in row["error"]


async def test_log_line_of_another_type(
    working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection
) -> None:
    """What a handler logs is written as a text, whatever it is."""

    async def chatter(run: JobRun[Any]) -> None:
        run.log(KeyError("x"))  # type: ignore[arg-type]

    async with working((PROBE, chatter)):
        row = await state_reached(postgres, await enqueue(PROBE), "DONE")
    assert json.loads(row["log"])[0]["line"] == "'x'"


async def test_refused_value_is_in_no_log(
    working: RunningWorker,
    enqueue: Enqueue,
    postgres: asyncpg.Connection,
) -> None:
    """What PostgreSQL quotes of a refused row is for the job's own page, and in no log."""
    await postgres.execute("CREATE TABLE people (email text PRIMARY KEY)")

    email = "ada@example.com"

    async def store_twice(run: JobRun[Any]) -> None:
        try:
            async with run.transaction() as session:
                for _ in range(2):
                    await session.execute(text("INSERT INTO people VALUES (:email)"), {"email": email})
        except Exception as error:
            raise RuntimeError("could not be stored") from error

    with capture_logs() as entries:
        async with working((PROBE, store_twice)):
            row = await state_reached(postgres, await enqueue(PROBE), "RETRYING")
    (failed,) = [entry for entry in entries if entry["event"] == "job_failed"]
    assert email in row["traceback"]
    assert (failed["sqlstate"], failed["constraint"]) == ("23505", "people_pkey")
    assert email not in str(entries)


async def test_redis_without_memory(
    working: RunningWorker, enqueue: Enqueue, postgres: asyncpg.Connection, redis_url: str
) -> None:
    """A Redis that answers and takes no wake-up is as good as away: the worker looks by itself."""

    async def answer(run: JobRun[Any]) -> str:
        return "done"

    async with Redis.from_url(redis_url) as redis, working((PROBE, answer)):
        await state_reached(postgres, await enqueue(PROBE), "DONE")
        await redis.config_set("maxmemory", 1)
        try:
            await asyncio.sleep(3)  # within two seconds it tries to write
            row = await state_reached(postgres, await enqueue(PROBE), "DONE")
        finally:
            await redis.config_set("maxmemory", 0)
    assert (row["started_at"] - row["enqueued_at"]).total_seconds() < 2
