"""What the drain's tests stand on: its settings and direct views of the session's real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import asyncpg
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from millrace.streams.keys import StreamKeys
from tests.contract.drain.drains import RunningDrain, StartDrain, draining_apart, draining_here
from workers.drain import consumer, stream
from workers.drain.settings import DrainSettings


@pytest.fixture
def settings(postgres_dsn: str, redis_url: str, redis_prefix: str) -> DrainSettings:
    return DrainSettings(
        postgres_dsn=SecretStr(postgres_dsn), redis_url=SecretStr(redis_url), redis_prefix=redis_prefix
    )


@pytest.fixture
def running_drain(settings: DrainSettings) -> RunningDrain:
    """A drain inside this process."""
    return partial(draining_here, settings)


@pytest.fixture
def start_drain(settings: DrainSettings) -> StartDrain:
    """A drain in a process of its own."""
    return partial(draining_apart, settings)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets drains of this process inherit within a second; the real patience has a test of its own."""
    monkeypatch.setattr(stream, "DEAD_AFTER_MS", 600)
    monkeypatch.setattr(consumer, "TAKE_OVER_SECONDS", 0.3)


@pytest.fixture
def stream_key(redis_prefix: str) -> bytes:
    return StreamKeys(redis_prefix, 1).clicks(0)


@pytest.fixture
def event_key(redis_prefix: str) -> bytes:
    return StreamKeys(redis_prefix, 1).events(0)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def postgres(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_dsn)
    yield connection
    await connection.close()
