"""A drain that dies between any two of its steps loses nothing and doubles nothing."""

from __future__ import annotations

import signal
from typing import get_args

import asyncpg
import pytest
from redis.asyncio import Redis

from tests.contract.drain.believable import append, assert_each_once, clicks, until_empty
from tests.contract.drain.drains import RunningDrain, StartDrain
from workers.drain.steps import Step


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("step", get_args(Step))
@pytest.mark.parametrize("occurrence", [1, 2])
async def test_killed_after_a_step(  # noqa: PLR0917 - fixtures
    step: str,
    occurrence: int,
    start_drain: StartDrain,
    running_drain: RunningDrain,
    redis: Redis,
    stream_key: bytes,
    postgres: asyncpg.Connection,
) -> None:
    """Whatever the step after which it dies, the heir makes every click count exactly once."""
    made = clicks(12_000)
    await append(redis, stream_key, made)
    async with start_drain(killed_at=step, occurrence=occurrence) as process:
        assert await process.wait() == -signal.SIGKILL
    async with running_drain():
        await until_empty(redis, stream_key)
    await assert_each_once(postgres, made)
