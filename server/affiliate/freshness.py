"""Until when clicks are counted: the drain deletes an entry once its click is in PostgreSQL."""

import time
from datetime import UTC, datetime
from typing import Any

from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis, RedisFailure


class ClickFreshness:
    """Constructor: the process's pipelining client and its key names."""

    def __init__(self, redis: PipeliningRedis, keys: StreamKeys) -> None:
        self._redis = redis
        self._keys = keys

    async def complete_until(self) -> datetime | None:
        """The instant before which every recorded click is in PostgreSQL; None when Redis cannot say.

        Ask before reading the counts: then they hold at least what this promises.
        """
        now_ms = time.time_ns() // 1_000_000
        try:
            waiting = [
                await self._redis.execute("XRANGE", self._keys.clicks(shard), "-", "+", "COUNT", 1)
                for shard in range(self._keys.shards)
            ]
        except RedisFailure:
            return None
        oldest_ms = min([now_ms, *(_entry_time_ms(entries[0]) for entries in waiting if entries)])
        return datetime.fromtimestamp(oldest_ms / 1000, UTC)


def _entry_time_ms(entry: Any) -> int:
    # An entry id is "<milliseconds>-<number>", in Redis's own time.
    return int(bytes(entry[0]).partition(b"-")[0])
