"""Holds each caller to so many events per second, over all processes, by Redis's clock."""

from __future__ import annotations

from millrace.streams.event_input import MAX_EVENTS
from millrace.streams.functions import RATE
from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis


class RateLimit:
    """A generic cell rate algorithm: `per_second` events on average, one second's worth at once.

    The burst is never below a whole batch. A rate of 0 admits everything without asking Redis.
    """

    def __init__(self, redis: PipeliningRedis, keys: StreamKeys, per_second: int) -> None:
        if per_second < 0:
            raise ValueError(f"a rate is 0 or more events per second, not {per_second}")
        self._redis = redis
        self._keys = keys
        self._per_second = per_second
        self._burst = max(per_second, MAX_EVENTS)

    async def admit(self, caller: bytes, events: int) -> float:
        """0.0 when that many events of the caller are admitted, and counted; else the seconds to wait.

        Raises RedisFailure when nobody can tell: let the caller through, then.
        """
        if self._per_second == 0:
            return 0.0
        admitted, wait_ms = await self._redis.fcall(
            RATE, [self._keys.rate(caller)], [self._per_second, self._burst, events]
        )
        return 0.0 if admitted else wait_ms / 1_000
