"""Telling workers that a queue has work: a Taskiq broker over Redis lists, and what sends through it.

The jobs themselves are rows. A wake-up that is lost, repeated or early costs a moment, never a job.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections.abc import AsyncGenerator, Callable, Collection
from types import TracebackType
from typing import Any, Final, Self

import structlog
from prometheus_client import Counter
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from taskiq import AsyncBroker, BrokerMessage
from taskiq.kicker import AsyncKicker

from millrace.streams.keys import StreamKeys
from server.jobs.queues import QUEUES

log = structlog.get_logger(__name__)

TASK: Final = "millrace.wake"
QUEUE_LABEL: Final = "queue"

# A worker needs one wake-up to find all there is; more only say it again.
_KEPT_WAKEUPS: Final = 64
_BLOCK_SECONDS: Final = 2.0
# While some queues are not listened to, they are looked at again this often.
_PARTIAL_BLOCK_SECONDS: Final = 0.1
_SOCKET_SECONDS: Final = 5.0
_FIRST_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 1.0
_FAREWELL_SECONDS: Final = 1.0

_FAILURES: Final = (RedisError, OSError, TimeoutError)

NUDGES: Final = Counter(
    "millrace_job_nudges", "Wake-ups for workers, by queue and outcome: sent, failed.", ["queue", "outcome"]
)


class WakeupBroker(AsyncBroker):
    """One Redis list per queue. Its listener never ends by itself: it waits for a lost Redis to come back.

    `wanted` says which queues to listen to now, and `on_reachable` hears whether Redis answers, first and
    at every change. Both are the worker's to replace before it listens.
    """

    def __init__(self, redis_url: str, prefix: str, queues: Collection[str] = tuple(QUEUES)) -> None:
        super().__init__()
        keys = StreamKeys(prefix)
        self._keys = {queue: keys.wakeups(queue) for queue in queues}
        self._queues = {key: queue for queue, key in self._keys.items()}
        self._probe = keys.wakeups("probe")
        self._written_at = -math.inf
        self._redis = _open_redis(redis_url)
        self._reachable: bool | None = None
        self.wanted: Callable[[], Collection[str]] = self._keys.keys
        self.on_reachable: Callable[[bool], None] = lambda reachable: None

    async def kick(self, message: BrokerMessage) -> None:
        """Leave a wake-up for one worker. Raises redis-py's errors."""
        key = self._keys.get(message.labels[QUEUE_LABEL])
        if key is None:  # a queue of another release, which nobody here listens for
            return
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.lpush(key, message.message)
            pipe.ltrim(key, 0, _KEPT_WAKEUPS - 1)
            await pipe.execute()

    async def listen(self) -> AsyncGenerator[bytes, None]:
        """Wake-ups as they come, of the queues wanted when each comes."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                message = await self._next()
            except _FAILURES as error:
                self._note(reachable=False, error=error)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                continue
            pause = _FIRST_PAUSE_SECONDS
            if message is not None:
                yield message

    async def _next(self) -> bytes | None:
        if not self._reachable or time.monotonic() - self._written_at > _BLOCK_SECONDS:
            await self._try_writing()
        queues = self.wanted()
        wanted = [key for queue, key in self._keys.items() if queue in queues]
        if not wanted:
            await asyncio.sleep(_PARTIAL_BLOCK_SECONDS)
            return None
        seconds = _BLOCK_SECONDS if len(wanted) == len(self._keys) else _PARTIAL_BLOCK_SECONDS
        reply: Any = await self._redis.brpop(wanted, timeout=seconds)
        if reply is None:
            return None
        key, message = reply
        if self._queues[key] not in self.wanted():
            # It filled up while this was on its way: others may have room.
            await self._redis.rpush(key, message)
            return None
        return bytes(message)

    async def _try_writing(self) -> None:
        """Raises when no wake-up could be left: a Redis without memory answers, and takes none."""
        await self._redis.set(self._probe, b"", px=1)
        self._written_at = time.monotonic()
        self._note(reachable=True)

    def _note(self, *, reachable: bool, error: BaseException | None = None) -> None:
        if reachable == self._reachable:
            return
        self._reachable = reachable
        if error is not None:
            log.warning("wakeups_unreachable", error=f"{type(error).__name__}: {error}")
        else:
            log.info("wakeups_reachable")
        self.on_reachable(reachable)

    async def shutdown(self) -> None:
        """Close the connections as well."""
        await super().shutdown()
        await self._redis.aclose(close_connection_pool=True)


def make_broker(redis_url: str, prefix: str) -> WakeupBroker:
    """A broker for the queues there are. It connects when first used, so Redis may be away."""
    return WakeupBroker(redis_url, prefix)


def _open_redis(url: str) -> Redis:
    # The default pool raises when all connections are in use, and a frozen server would hold the caller for
    # ever. A wake-up is not worth repeating: the relay sends another.
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=4,
        timeout=_SOCKET_SECONDS,
        socket_timeout=_SOCKET_SECONDS,
        socket_connect_timeout=_SOCKET_SECONDS,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
    return Redis(connection_pool=pool)


class Nudger:
    """Sends wake-ups in the background while its block is entered. The caller never waits for it or fails."""

    def __init__(self, broker: AsyncBroker) -> None:
        self._broker = broker
        self._waiting: dict[str, None] = {}
        self._any = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self._failing = False

    async def __aenter__(self) -> Self:
        await self._broker.startup()
        self._sender = asyncio.create_task(self._send_all(), name="nudger")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            self._any.set()
            # What was committed just now still starts at once; a Redis that is away is not waited for.
            await asyncio.wait({sender}, timeout=_FAREWELL_SECONDS)
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender
        await self._broker.shutdown()

    def nudge(self, queue: str) -> None:
        """Wake a worker for the queue soon. Nudges of a queue that were not sent yet become one."""
        self._waiting[queue] = None
        self._any.set()

    async def _send_all(self) -> None:
        while self._sender is not None or self._waiting:
            await self._any.wait()
            self._any.clear()
            while self._waiting:
                queue = next(iter(self._waiting))
                del self._waiting[queue]
                await self._send(queue)

    async def _send(self, queue: str) -> None:
        kicker: AsyncKicker[Any, Any] = AsyncKicker(TASK, self._broker, {QUEUE_LABEL: queue})
        try:
            await kicker.kiq(queue)
        except Exception as error:  # noqa: BLE001 - whatever it was, the job is committed and the relay will tell
            NUDGES.labels(queue, "failed").inc()
            if not self._failing:
                cause = error.__cause__ or error
                log.warning("nudge_failed", queue=queue, error=f"{type(cause).__name__}: {cause}")
            self._failing = True
        else:
            NUDGES.labels(queue, "sent").inc()
            self._failing = False
