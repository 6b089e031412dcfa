"""Until when a stream's records are counted: the drain deletes an entry once its rows are in PostgreSQL."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from millrace.streams.redis_pipe import PipeliningRedis, RedisFailure


class StreamFreshness:
    """Constructor: the process's pipelining client and the streams in question."""

    def __init__(self, redis: PipeliningRedis, streams: Sequence[bytes]) -> None:
        self._redis = redis
        self._streams = streams

    async def complete_until(self) -> datetime | None:
        """The instant before which every record is in PostgreSQL; None when Redis cannot say.

        Ask before reading the counts: then they hold at least what this promises.
        """
        now_ms = time.time_ns() // 1_000_000
        try:
            waiting = [
                await self._redis.execute("XRANGE", stream, "-", "+", "COUNT", 1) for stream in self._streams
            ]
        except RedisFailure:
            return None
        oldest_ms = min([now_ms, *(_entry_time_ms(entries[0]) for entries in waiting if entries)])
        return datetime.fromtimestamp(oldest_ms / 1000, UTC)


def _entry_time_ms(entry: Any) -> int:
    # An entry id is "<milliseconds>-<number>", in Redis's own time.
    return int(bytes(entry[0]).partition(b"-")[0])
