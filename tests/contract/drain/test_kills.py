"""A drain that dies between any two of its steps loses nothing and doubles nothing."""

from __future__ import annotations

import signal
from typing import get_args

import asyncpg
import pytest
from redis.asyncio import Redis

from tests.contract.drain.believable import append, assert_each_once, clicks, until_empty
from tests.contract.drain.believable_events import append_events, assert_events_once, events, with_client_ids
from tests.contract.drain.drains import RunningDrain, StartDrain
from workers.drain.steps import Step


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("step", get_args(Step))
async def test_killed_between_clicks(  # noqa: PLR0917 - fixtures
    step: str,
    start_drain: StartDrain,
    running_drain: RunningDrain,
    redis: Redis,
    stream_key: bytes,
    postgres: asyncpg.Connection,
) -> None:
    """Whatever the step after which it dies, one batch done, the heir makes every click count once."""
    made = clicks(7_000)
    await append(redis, stream_key, made)
    async with start_drain(killed_at=step, occurrence=2) as process:
        assert await process.wait() == -signal.SIGKILL
    async with running_drain():
        await until_empty(redis, stream_key)
    await assert_each_once(postgres, made)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("step", get_args(Step))
async def test_killed_between_events(  # noqa: PLR0917 - fixtures
    step: str,
    start_drain: StartDrain,
    running_drain: RunningDrain,
    redis: Redis,
    event_key: bytes,
    postgres: asyncpg.Connection,
) -> None:
    """Rows, client ids, rollups and sessions of a batch are there together or not at all."""
    plain = events(3_000)
    made = [*plain[:2_400], *with_client_ids(plain[2_400:])]
    await append_events(redis, event_key, made)
    async with start_drain(killed_at=step) as process:
        assert await process.wait() == -signal.SIGKILL
    async with running_drain():
        await until_empty(redis, event_key)
    await assert_events_once(postgres, made)
