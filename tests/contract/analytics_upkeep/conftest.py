"""A connection as upkeep has it, and Redis with its keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis
from server.analytics.drift import LiveSide, Outcome, prove
from server.analytics.live_truth import restate_hours
from server.analytics.rebuild import Kept
from server.db.engine import make_sessions
from server.jobs.enqueueing import Jobs
from server.jobs.execution import JobExecution
from server.media.store import ObjectStore
from tests.contract.analytics_upkeep.shop import HOUR_MS, this_hour_ms
from tests.contract.drain.drains import draining_here
from tests.contract.worker_tasks.conftest import Turn
from workers.confined import ConfinedCalls
from workers.drain.settings import DrainSettings
from workers.resources import Resources
from workers.settings import WorkerSettings

KEPT = Kept(90, 400)


async def unheard(*_: Any) -> None:
    """Progress that nobody looks at."""


@dataclass
class Ground:
    """What a test of upkeep stands on."""

    dsn: str
    redis_url: str
    postgres: asyncpg.Connection
    redis: PipeliningRedis
    keys: StreamKeys

    @asynccontextmanager
    async def drained(self) -> AsyncIterator[None]:
        """Lets a drain work until the streams are empty; what the block adds comes first."""
        settings = DrainSettings(
            postgres_dsn=SecretStr(self.dsn),
            redis_url=SecretStr(self.redis_url),
            redis_prefix=self.keys.prefix,
            stream_shards=self.keys.shards,
        )
        yield
        streams = [*self.keys.all_clicks(), *self.keys.all_events()]
        async with draining_here(settings), asyncio.timeout(20):
            while any([await self.redis.execute("XLEN", stream) for stream in streams]):
                await asyncio.sleep(0.02)

    async def prove(self, *, days: int | None = None, kept: Kept = KEPT) -> Outcome:
        """The whole proof, live counters included."""
        return await prove(
            self.postgres, LiveSide(self.redis, self.keys), kept=kept, days=days, on_progress=unheard
        )

    async def differing(self) -> list[tuple[str, str, str, int, int]]:
        """Place, key, what, expected and found of each difference."""
        proof = (await self.prove()).proof
        assert proof.notes == []
        return [(each.place, each.key, each.what, each.expected, each.found) for each in proof.differences]

    async def make_live_agree(self) -> None:
        """Let the live counters of the last two days say what the rows do: no door counted these rows."""
        this_hour = this_hour_ms() // HOUR_MS
        await restate_hours(self.postgres, self.redis, self.keys, range(this_hour - 48, this_hour))


@pytest.fixture
async def ground(postgres_dsn: str, redis_url: str, redis_prefix: str) -> AsyncIterator[Ground]:
    postgres = await asyncpg.connect(postgres_dsn, server_settings={"timezone": "UTC"})
    async with await PipeliningRedis.open(redis_url, timeout=2.0) as redis:
        yield Ground(postgres_dsn, redis_url, postgres, redis, StreamKeys(redis_prefix, 2))
    await postgres.close()


@pytest.fixture
async def turn(ground: Ground, engine: AsyncEngine) -> AsyncIterator[Turn]:
    """Runs tasks as a worker does."""
    settings = WorkerSettings(
        postgres_dsn=SecretStr(ground.dsn),
        redis_url=SecretStr(ground.redis_url),
        redis_prefix=ground.keys.prefix,
        stream_shards=ground.keys.shards,
    )
    resources = Resources(
        settings=settings,
        engine=engine,
        sessions=make_sessions(engine),
        urgent_sessions=make_sessions(engine),
        redis=ground.redis,
        stream_keys=ground.keys,
        jobs=Jobs(lambda queue: None),
        store=ObjectStore(settings),
    )
    execution = JobExecution(engine, worker="tester", lease=timedelta(seconds=30))
    async with ConfinedCalls(1) as confined:
        yield Turn(resources, execution, confined)
