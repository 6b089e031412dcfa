"""How far the drain is behind: what the stream still holds, since acknowledged entries leave it."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from redis.asyncio import Redis

from workers.drain.metrics import DrainMetrics
from workers.retries import REDIS_FAILURES, wait_unless

PERIOD_SECONDS: Final = 2.0


async def watch_lag(redis: Redis, key: bytes, metrics: DrainMetrics, stopping: asyncio.Event) -> None:
    """Keep the lag gauges of a stream current until asked to stop, whatever the drain itself waits for."""
    stream = key.decode()
    while not stopping.is_set():
        try:
            entries, age_seconds = await measure_lag(redis, key)
        except REDIS_FAILURES:
            metrics.failures.labels(stream, "redis").inc()
        else:
            metrics.lag_entries.labels(stream).set(entries)
            metrics.lag_seconds.labels(stream).set(age_seconds)
        await wait_unless(stopping, PERIOD_SECONDS)


async def measure_lag(redis: Redis, key: bytes) -> tuple[int, float]:
    """Entries in the stream, and the age of the oldest in seconds by Redis' clock; both 0 when empty."""
    async with redis.pipeline(transaction=True) as pipe:
        pipe.xlen(key)
        pipe.xrange(key, count=1)
        pipe.time()
        entries, oldest, (seconds, microseconds) = await pipe.execute()
    if not oldest:
        return 0, 0.0
    return entries, max(0.0, seconds + microseconds / 1e6 - _entry_seconds(oldest[0][0]))


def _entry_seconds(entry_id: Any) -> float:
    milliseconds: bytes = entry_id.partition(b"-")[0]
    return int(milliseconds) / 1000
