"""A drain at work, seen from outside: how fast, how it is watched, how it stops."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request

import asyncpg
from redis.asyncio import Redis

from tests.contract.drain.believable import append, assert_each_once, clicks, stored_ids, until_empty
from tests.contract.drain.drains import RunningDrain, StartDrain, draining_apart
from workers.drain.settings import DrainSettings


async def test_click_after_a_quiet_moment(
    running_drain: RunningDrain, redis: Redis, stream_key: bytes, postgres: asyncpg.Connection
) -> None:
    """A lone click is a row well within the two seconds that statistics may lag."""
    first, second = clicks(2)
    async with running_drain():
        await append(redis, stream_key, [first])
        await until_empty(redis, stream_key)
        appended_at = time.monotonic()
        await append(redis, stream_key, [second])
        while len(await stored_ids(postgres)) < 2:
            await asyncio.sleep(0.005)
        assert time.monotonic() - appended_at < 1


async def test_terminated_under_load(
    start_drain: StartDrain, redis: Redis, stream_key: bytes, postgres: asyncpg.Connection
) -> None:
    """SIGTERM finishes what was read: nothing stays pending, and the consumer is gone from the group."""
    made = clicks(20_000)
    await append(redis, stream_key, made)
    async with start_drain() as process:
        while await redis.xlen(stream_key) == len(made):
            await asyncio.sleep(0.005)
        process.terminate()
        async with asyncio.timeout(10):
            assert await process.wait() == 0
    (group,) = await redis.xinfo_groups(stream_key)
    assert (group["pending"], group["consumers"]) == (0, 0)
    async with start_drain():
        await until_empty(redis, stream_key)
    await assert_each_once(postgres, made)


async def test_several_shards(settings: DrainSettings, redis: Redis, postgres: asyncpg.Connection) -> None:
    """One process drains every shard's stream."""
    made = clicks(90)
    sharded = settings.model_copy(update={"stream_shards": 3})
    keys = [f"{settings.redis_prefix}:{{c{shard:02d}}}:clicks".encode() for shard in range(3)]
    for shard, key in enumerate(keys):
        await append(redis, key, made[shard::3])
    async with draining_apart(sharded):
        for key in keys:
            await until_empty(redis, key)
    await assert_each_once(postgres, made)


async def test_monitoring(settings: DrainSettings, redis: Redis, stream_key: bytes, unused_port: int) -> None:
    """The metrics tell rows and lag by stream; readiness names each dependency; other paths are not found."""
    base = f"http://127.0.0.1:{unused_port}"
    async with draining_apart(settings.model_copy(update={"metrics_port": unused_port})):
        await append(redis, stream_key, [*clicks(5), b"\x01poison"])
        await until_empty(redis, stream_key)
        async with asyncio.timeout(10):  # the stream of events may be joined a moment later
            while (await asyncio.to_thread(_get, f"{base}/readyz"))[0] != 200:
                await asyncio.sleep(0.02)
        body = (await asyncio.to_thread(_get, f"{base}/readyz"))[1]
        assert set(json.loads(body).values()) == {"ok"}
        metrics = (await asyncio.to_thread(_get, f"{base}/metrics"))[1]
        stream = stream_key.decode()
        assert f'millrace_drain_rows_total{{stream="{stream}"}} 5.0' in metrics
        assert f'millrace_drain_dead_letters_total{{reason="malformed",stream="{stream}"}} 1.0' in metrics
        assert f'millrace_drain_stream_lag_entries{{stream="{stream}"}}' in metrics
        assert (await asyncio.to_thread(_get, f"{base}/else"))[0] == 404


async def test_not_ready_without_postgres(settings: DrainSettings, unused_port: int) -> None:
    """Readiness says which dependency fails, and the process lives on."""
    from pydantic import SecretStr

    nowhere = SecretStr("postgresql://nobody@127.0.0.1:1/nothing")
    update = {"metrics_port": unused_port, "postgres_dsn": nowhere}
    async with draining_apart(settings.model_copy(update=update)) as process:
        async with asyncio.timeout(10):
            while True:
                status, body = await asyncio.to_thread(_get, f"http://127.0.0.1:{unused_port}/readyz")
                if status and '"ok"' in body:
                    break
                await asyncio.sleep(0.05)
        assert status == 503
        assert set(json.loads(body).values()) == {"failing", "ok"}
        assert process.returncode is None


def _get(url: str) -> tuple[int, str]:
    """Status and body; status 0 while nothing listens yet."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - our own loopback address
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except urllib.error.URLError:
        return 0, ""
