"""Makes spooled calls as soon as Redis takes them, oldest first.

A process that ends in the middle of a segment leaves it to the next one, which begins it again: every call is
harmless twice.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

import structlog

from edge.metrics import EdgeMetrics
from edge.spool.records import Damage, scan
from edge.spool.replies import is_for_good
from edge.spool.segments import Segment
from edge.spool.spool import Spool
from millrace.streams.redis_pipe import PipeliningRedis, RedisFailure
from millrace.streams.spooled_call import SpooledCall

log = structlog.get_logger()

# A connection of its own: waiting longer for an answer than a shopper would, and with a breaker of its own.
OpenRedis = Callable[[], Awaitable[PipeliningRedis]]
REPLAY_TIMEOUT_SECONDS: Final = 2.0

ADOPT_SECONDS: Final = 3.0
LOOK_SECONDS: Final = 0.25
LAST_RETRY_SECONDS: Final = 4.0
# Kept so long after its last use: an outage often comes back.
IDLE_SECONDS: Final = 30.0
# Small enough for live calls to come in between.
BATCH_CALLS: Final = 32
BATCH_BYTES: Final = 256 * 1024


class _Reading:
    """How far a segment has been replayed, and what of it could not be."""

    def __init__(self, segment: Segment, content: bytes) -> None:
        self.segment = segment
        self.refused: list[bytes] = []
        self.torn: list[Damage] = []
        self.due: list[bytes] = []
        self._found: Iterator[bytes | Damage] = scan(content)

    def fill(self) -> bool:
        """Read on until a batch is due; says whether anything is."""
        room = BATCH_BYTES
        while not self.due or (len(self.due) < BATCH_CALLS and room > 0):
            found = next(self._found, None)
            if found is None:
                break
            if isinstance(found, Damage):
                self.torn.append(found)
                continue
            self.due.append(found)
            room -= len(found)
        return bool(self.due)


class Replayer:
    """Adopts and replays in a task of its own, as long as its context lasts."""

    def __init__(self, spool: Spool, open_redis: OpenRedis, metrics: EdgeMetrics) -> None:
        self._spool = spool
        self._open_redis = open_redis
        self._counts = metrics.spool_calls
        self._redis: PipeliningRedis | None = None
        self._reading: _Reading | None = None
        self._retry_seconds = LOOK_SECONDS
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="spool replayer")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._let_go()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        adopt_at, used_at = loop.time() + ADOPT_SECONDS, loop.time()
        while True:
            pause = LOOK_SECONDS
            try:
                if loop.time() >= adopt_at:
                    await self._spool.adopt()
                    adopt_at = loop.time() + ADOPT_SECONDS
                if self._spool.is_in_use:
                    used_at = loop.time()
                    pause = await self._work()
                elif loop.time() - used_at > IDLE_SECONDS:
                    await self._let_go()
            except Exception:
                log.exception("spool_replay_failed")
                pause = self._later()
            await asyncio.sleep(pause)

    async def _work(self) -> float:
        """Replay everything there is, or until Redis or the disk fails; returns the seconds to pause."""
        try:
            redis = await self._answering()
            while await self._next_reading():
                await self._replay(redis)
        except (RedisFailure, OSError) as error:
            log.debug("spool_replay_paused", error=str(error))
            return self._later()
        self._retry_seconds = LOOK_SECONDS
        return LOOK_SECONDS

    async def _answering(self) -> PipeliningRedis:
        """The connection, once Redis answers on it. Raises RedisFailure."""
        if self._redis is None:
            self._redis = await self._open_redis()
        await self._redis.execute("PING")
        return self._redis

    async def _next_reading(self) -> bool:
        """Have a segment at hand: the one begun, or the oldest. False when none waits."""
        if self._reading is not None:
            return True
        if not self._spool.segments():
            await self._spool.seal()
        for segment in self._spool.segments():
            try:
                self._reading = _Reading(segment, await self._spool.content(segment))
            except OSError as error:  # it must not keep the others waiting
                log.warning("spool_segment_unreadable", segment=segment.path.name, error=str(error))
                self._spool.give_up(segment)
            else:
                return True
        return False

    async def _replay(self, redis: PipeliningRedis) -> None:
        """Replay the rest of the segment at hand, then remove it. Raises RedisFailure or OSError."""
        reading = self._reading
        if reading is None:
            return
        loop = asyncio.get_running_loop()
        while reading.fill():
            began_at = loop.time()
            await self._make_calls(redis, reading)
            # Half of Redis's time, at most, is for what is late already.
            await asyncio.sleep(loop.time() - began_at)
        await self._spool.finish(reading.segment, reading.refused, reading.torn)
        self._reading = None

    async def _make_calls(self, redis: PipeliningRedis, reading: _Reading) -> None:
        """Make the calls that are due, in order and all at once; those that Redis cannot take stay due."""
        payloads, failure = reading.due, None
        outcomes = await asyncio.gather(*(_call(redis, each) for each in payloads), return_exceptions=True)
        reading.due = []
        for payload, outcome in zip(payloads, outcomes, strict=True):
            if not isinstance(outcome, BaseException):
                self._counts["replayed"] += 1
            elif isinstance(outcome, RedisFailure) and not is_for_good(outcome):
                failure = failure or outcome
                reading.due.append(payload)
            else:
                self._refuse(reading, payload, outcome)
        if failure is not None:
            raise failure

    def _refuse(self, reading: _Reading, payload: bytes, error: BaseException) -> None:
        if not reading.refused:  # the others of a segment are mostly refused for the same reason
            log.error("spooled_call_refused", segment=reading.segment.path.name, error=str(error)[:300])
        self._counts["refused"] += 1
        reading.refused.append(payload)

    def _later(self) -> float:
        pause, self._retry_seconds = self._retry_seconds, min(self._retry_seconds * 2, LAST_RETRY_SECONDS)
        return pause * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret

    async def _let_go(self) -> None:
        redis, self._redis = self._redis, None
        if redis is not None:
            with suppress(RedisFailure):
                await redis.close()


async def _call(redis: PipeliningRedis, payload: bytes) -> Any:
    """Make one call. Raises RedisFailure, or MalformedCall for what this release cannot read."""
    return await SpooledCall.decode(payload).replay(redis)
