"""Keeps a process's idea of the day and hour in step with Redis, whose time is the truth for counting."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS_AN_HOUR = 3600
HOURS_A_DAY = 24


class RedisClock:
    """Tells Redis's hour as far as it is known: our own clock, moved only when Redis contradicts it.

    Redis answers with its hour, not its instant, so a correction is the smallest that agrees with it.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._offset_seconds = 0.0

    @property
    def offset_seconds(self) -> float:
        return self._offset_seconds

    def hour(self) -> int:
        """Return the hour number, counted from the Unix epoch."""
        return int(self._now() + self._offset_seconds) // SECONDS_AN_HOUR

    def correct(self, redis_hour: int) -> None:
        """Learn that it is `redis_hour` in Redis right now."""
        now = self._now()
        begins, ends = redis_hour * SECONDS_AN_HOUR, (redis_hour + 1) * SECONDS_AN_HOUR - 1
        if begins <= now <= ends:
            self._offset_seconds = 0.0
        else:
            self._offset_seconds = begins - now if now < begins else ends - now
