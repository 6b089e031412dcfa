"""PostgreSQL and Redis may be killed under the drain; it goes on by itself within seconds of their return."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from millrace.streams.keys import GROUP
from server.db.migrations import upgrade
from server.standalone.backing.postgres import running_postgres
from server.standalone.backing.redis import running_redis
from server.standalone.children import Child, running
from tests.contract.drain.believable import append, assert_each_once, clicks, until_empty
from tests.contract.drain.drains import draining_here
from workers.drain.settings import DrainSettings

RESUMES_WITHIN_SECONDS = 10


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where servers that a test kills keep their files, reachable for PostgreSQL's account."""
    path = Path(tempfile.mkdtemp(prefix="millrace-drain-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


async def test_postgres_killed_under_load(
    folder: Path, redis_url: str, redis: Redis, stream_key: bytes, redis_prefix: str
) -> None:
    """kill -9 of PostgreSQL in mid-run and its restart leave every click there once."""
    made = clicks(30_000, links=50)
    async with running_postgres(folder) as (server, child):
        await upgrade(server.dsn())
        settings = _settings(server.dsn(), redis_url, redis_prefix)
        await append(redis, stream_key, made[:20_000])
        async with draining_here(settings):
            while await redis.xlen(stream_key) > 15_000:
                await asyncio.sleep(0.005)
            await _kill(child)
            await append(redis, stream_key, made[20_000:])
            async with running(child.spec):
                returned_at = time.monotonic()
                await until_empty(redis, stream_key)
                assert time.monotonic() - returned_at < RESUMES_WITHIN_SECONDS
                postgres = await asyncpg.connect(server.dsn())
                await assert_each_once(postgres, made)
                await postgres.close()


async def test_redis_killed_under_load(
    folder: Path, postgres_dsn: str, redis_prefix: str, stream_key: bytes, postgres: asyncpg.Connection
) -> None:
    """kill -9 of a Redis that syncs every write and its restart leave every click there once."""
    made = clicks(30_000, links=50)
    async with running_redis(folder) as (server, child), Redis.from_url(server.url) as redis:
        await append(redis, stream_key, made)
        async with draining_here(_settings(postgres_dsn, server.url, redis_prefix)):
            while await redis.xlen(stream_key) > 20_000:
                await asyncio.sleep(0.005)
            await _kill(child)
            async with running(child.spec), Redis.from_url(server.url) as again:
                returned_at = time.monotonic()
                await until_empty(again, stream_key)
                assert time.monotonic() - returned_at < RESUMES_WITHIN_SECONDS
                await assert_each_once(postgres, made)


async def test_group_lost_with_its_stream(  # noqa: PLR0917 - fixtures
    postgres_dsn: str,
    redis_url: str,
    redis_prefix: str,
    redis: Redis,
    stream_key: bytes,
    postgres: asyncpg.Connection,
) -> None:
    """A stream that vanishes, group and all, is made again and drained from its start."""
    made = clicks(40)
    async with draining_here(_settings(postgres_dsn, redis_url, redis_prefix)):
        await append(redis, stream_key, made[:20])
        await until_empty(redis, stream_key)
        await redis.delete(stream_key)
        await append(redis, stream_key, made[20:])
        await until_empty(redis, stream_key)
    await assert_each_once(postgres, made)


async def test_started_before_its_database_is_migrated(
    empty_postgres_dsn: str, redis_url: str, redis_prefix: str, redis: Redis, stream_key: bytes
) -> None:
    """A missing table is no fault of the clicks: they wait for the migration."""
    made = clicks(40)
    await append(redis, stream_key, made)
    async with draining_here(_settings(empty_postgres_dsn, redis_url, redis_prefix)):
        async with asyncio.timeout(10):
            while not await redis.exists(stream_key) or not await redis.xinfo_groups(stream_key):
                await asyncio.sleep(0.01)
        await upgrade(empty_postgres_dsn)
        await until_empty(redis, stream_key)
    postgres = await asyncpg.connect(empty_postgres_dsn)
    await assert_each_once(postgres, made)
    await postgres.close()


async def test_started_while_redis_is_full(
    folder: Path, postgres_dsn: str, redis_prefix: str, stream_key: bytes, postgres: asyncpg.Connection
) -> None:
    """Only the drain makes room in a Redis that refuses more, so a drain starts there as anywhere."""
    made = clicks(40)
    async with running_redis(folder) as (server, _), Redis.from_url(server.url) as redis:
        await redis.xgroup_create(stream_key, GROUP, "0", mkstream=True)
        await append(redis, stream_key, made)
        await redis.config_set("maxmemory", 1)
        async with draining_here(_settings(postgres_dsn, server.url, redis_prefix)):
            await until_empty(redis, stream_key)
    await assert_each_once(postgres, made)


async def _kill(child: Child) -> None:
    child.signal(signal.SIGKILL)
    await child.wait()


def _settings(dsn: str, redis_url: str, prefix: str) -> DrainSettings:
    return DrainSettings(postgres_dsn=SecretStr(dsn), redis_url=SecretStr(redis_url), redis_prefix=prefix)
