"""The live counters of the last two days, made to say what the history has just written.

Without it the hourly proof would find rows that Redis never counted.
"""

from __future__ import annotations

import asyncio
from typing import Final

import asyncpg

from millrace.streams.keys import StreamKeys
from millrace.streams.live import COUNTED_HOURS, restate
from millrace.streams.redis_pipe import PipeliningRedis
from server.analytics.live_truth import raw_counts
from workers.drain.writer import CONNECT_SECONDS

_REDIS_SECONDS: Final = 5.0


async def restate_live(dsn: str, redis_url: str, keys: StreamKeys, *, until_hour: int) -> None:
    """Restate every hour that is counted live and lies before `until_hour`, counted from 1970.

    For when the streams are empty. Raises RedisFailure.
    """
    hours = range(until_hour - COUNTED_HOURS, until_hour)
    connection = await asyncpg.connect(dsn, timeout=CONNECT_SECONDS)
    try:
        counts = await raw_counts(connection, hours[0], hours[-1])
    finally:
        await connection.close()
    async with await PipeliningRedis.open(redis_url, timeout=_REDIS_SECONDS) as redis:
        # At once, so that Redis syncs its log for all of them together. Readers add shards up.
        await asyncio.gather(
            *(
                restate(redis, keys, hour, shard, counts.get(hour, {}) if shard == 0 else {})
                for hour in hours
                for shard in range(keys.shards)
            )
        )
