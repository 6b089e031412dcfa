"""Watches how much the streams hold and how long it has waited, so that ingestion can stop in time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

from millrace.streams.keys import GROUP
from millrace.streams.redis_errors import RedisFailure, RedisReplyError
from millrace.streams.redis_pipe import PipeliningRedis

log = logging.getLogger(__name__)

_LOOK_EVERY_SECONDS: Final = 1.0


class StreamPressure:
    """Looks at the streams every second while open as an async context; opening takes the first look.

    What counts as waiting is what no drain was given yet: entries that a drain holds, or leaves pending for a
    newer one, add to the number of entries but not to the age. While Redis does not answer, the last look
    stands.
    """

    def __init__(
        self,
        redis: PipeliningRedis,
        streams: Sequence[bytes],
        max_entries: int,
        max_age_seconds: float,
    ) -> None:
        self._redis = redis
        self._streams = tuple(streams)
        self._max_entries = max_entries
        self._max_age_seconds = max_age_seconds
        self._entries = 0
        self._age_seconds = 0.0
        self._watcher: asyncio.Task[None] | None = None

    @property
    def high(self) -> bool:
        """Whether the streams together hold more entries, or one has waited longer, than is allowed."""
        return self._entries > self._max_entries or self._age_seconds > self._max_age_seconds

    def facts(self) -> dict[str, float]:
        """What was seen last: `entries` in all streams, `age_seconds` of the one that waits longest."""
        return {"entries": self._entries, "age_seconds": self._age_seconds}

    async def look(self) -> None:
        """Takes a look now; raises RedisFailure."""
        seconds, microseconds = await self._redis.execute("TIME")
        now_ms = int(seconds) * 1_000 + int(microseconds) // 1_000
        lengths = await asyncio.gather(*(self._redis.execute("XLEN", each) for each in self._streams))
        oldest = await asyncio.gather(*(self._oldest_ms(each) for each in self._streams))
        self._entries = sum(lengths)
        self._age_seconds = max((now_ms - each for each in oldest if each is not None), default=0) / 1_000

    async def _oldest_ms(self, stream: bytes) -> int | None:
        """When the oldest entry that no drain was given was written; None when there is none."""
        given = await self._last_given(stream)
        start = b"-" if given is None else b"(" + given
        entries = await self._redis.execute("XRANGE", stream, start, "+", "COUNT", 1)
        return int(entries[0][0].split(b"-")[0]) if entries else None

    async def _last_given(self, stream: bytes) -> bytes | None:
        try:
            groups: list[list[Any]] = await self._redis.execute("XINFO", "GROUPS", stream)
        except RedisReplyError as error:
            if "no such key" in str(error):  # nothing was ever written
                return None
            raise
        for flat in groups:
            facts = dict(zip(flat[::2], flat[1::2], strict=True))
            if facts[b"name"] == GROUP.encode():
                given: bytes = facts[b"last-delivered-id"]
                return given
        return None

    async def __aenter__(self) -> Self:
        await self._try_to_look()
        self._watcher = asyncio.create_task(self._watch(), name="stream pressure")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            await self._try_to_look()

    async def _try_to_look(self) -> None:
        was_high = self.high
        try:
            await self.look()
        except RedisFailure as error:
            log.debug("stream_pressure_unknown error=%s", error)
            return
        if self.high != was_high:
            log.warning("stream_pressure_changed high=%s facts=%s", self.high, self.facts())
