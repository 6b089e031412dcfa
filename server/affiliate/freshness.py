"""Until when clicks are counted: the drain deletes an entry once its click is in PostgreSQL."""

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
        now = datetime.now(UTC)
        try:
            waiting = [
                await self._redis.execute("XRANGE", self._keys.clicks(shard), "-", "+", "COUNT", 1)
                for shard in range(self._keys.shards)
            ]
        except RedisFailure:
            return None
        return min([now, *(_entry_time(entries[0]) for entries in waiting if entries)])


def _entry_time(entry: Any) -> datetime:
    # An entry id is "<milliseconds>-<number>", in Redis's own time.
    milliseconds = int(bytes(entry[0]).partition(b"-")[0])
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
