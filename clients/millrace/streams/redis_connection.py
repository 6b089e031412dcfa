"""One connection to Redis: a loop tick's commands leave in one write, replies find their waiters by position.

Reconnecting, retrying and refusing are redis_pipe's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

import hiredis

from millrace.streams.breaker import Breaker
from millrace.streams.redis_errors import Overloaded, RedisReplyError, RedisUnavailable

_INCOMPLETE: Final = object()

# A deadline is judged this long after its timer fired. uvloop runs timers before it reads sockets: without
# the delay, replies that arrived while the loop was busy elsewhere would count as late.
_GRACE_SECONDS: Final = 0.001

# A connection with unanswered commands on which nothing at all arrives for this long is given up.
_SILENCE_SECONDS: Final = 1.0


class Connection(asyncio.Protocol):
    """Sends commands in order and hands each reply to the waiter whose turn it is.

    A waiter keeps its place in the queue after it timed out or was cancelled; its reply, when it comes, is
    dropped. That is why nothing one caller does can hand another caller the wrong reply.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        breaker: Breaker,
        on_lost: Callable[[], None],
        *,
        timeout: float,
        max_in_flight: int,
    ) -> None:
        self._timeout = timeout
        self.lost: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._breaker = breaker
        self._max_in_flight = max_in_flight
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader(replyError=RedisReplyError, notEnoughData=_INCOMPLETE)
        self._packed: list[bytes] = []
        self._batch: list[asyncio.Future[Any]] = []
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._deadlines: deque[tuple[float, list[asyncio.Future[Any]]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._silent_since = 0.0
        self._reason = "the connection to Redis was lost"

    @property
    def in_flight(self) -> int:
        """Commands whose reply has not arrived, also those nobody waits for any more."""
        return len(self._waiting) + len(self._batch)

    def send(self, packed: bytes) -> asyncio.Future[Any]:
        """Queues a packed command for this tick's write and returns the future of its reply.

        Raises Overloaded or RedisUnavailable at once when it cannot be queued.
        """
        if len(self._waiting) + len(self._batch) >= self._max_in_flight:
            raise Overloaded(self.in_flight)
        if self._transport is None:
            raise RedisUnavailable(self._reason, maybe_executed=False)
        if not self._batch:
            self._loop.call_soon(self._flush)
        waiter: asyncio.Future[Any] = self._loop.create_future()
        self._packed.append(packed)
        self._batch.append(waiter)
        return waiter

    def greeted(self, timeout: float) -> None:
        """From now on commands have this timeout. Call it when every command so far has been answered."""
        self._timeout = timeout
        self._deadlines.clear()
        if self._timer is not None:  # it would fire only when the greeting's longer timeout is over
            self._timer.cancel()
            self._timer = None

    async def close(self, reason: str) -> None:
        """Waits at most one timeout for the replies still due, then gives the connection up."""
        due = [*self._waiting, *self._batch]
        if due:
            await asyncio.wait(due, timeout=self._timeout)
        self.abort(reason)
        await self.lost

    def abort(self, reason: str) -> None:
        """Gives the connection up; every waiter fails with the reason."""
        self._reason = reason
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        for waiter in self._waiting:
            self._fail(waiter, self._reason, maybe_executed=True)
        for waiter in self._batch:
            self._fail(waiter, self._reason, maybe_executed=False)
        self._waiting.clear()
        self._batch.clear()
        self._packed.clear()
        self._deadlines.clear()
        self._on_lost()
        if not self.lost.done():
            self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._silent_since = self._loop.time()
        self._reader.feed(data)
        try:
            in_time = self._deliver()
        except hiredis.ProtocolError as error:
            self.abort(f"Redis broke the protocol: {error}")
            return
        if in_time:
            self._breaker.succeeded()
        elif not self._waiting:
            # All late, but Redis has caught up: a stall of a moment should not cost a whole probing interval.
            self._breaker.probe_soon()

    def _deliver(self) -> bool:
        """Hands out the replies that are complete; says whether any of them was still awaited."""
        next_reply, waiting, in_time = self._reader.gets, self._waiting, False
        while (reply := next_reply()) is not _INCOMPLETE:
            if not waiting:
                self.abort(f"Redis said something nobody asked for: {reply!r:.100}")
                break
            waiter = waiting.popleft()
            if waiter.done():
                continue
            in_time = True
            if isinstance(reply, RedisReplyError):
                waiter.set_exception(reply)
            else:
                waiter.set_result(reply)
        return in_time

    def _flush(self) -> None:
        if self._transport is None or not self._batch:
            return
        now = self._loop.time()
        if not self._waiting:
            self._silent_since = now
        batch, self._batch = self._batch, []
        self._waiting.extend(batch)
        self._deadlines.append((now + self._timeout, batch))
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout, self._judge_deadlines, now + self._timeout)
        self._transport.write(b"".join(self._packed))
        self._packed.clear()

    def _judge_deadlines(self, due_at: float) -> None:
        self._timer = self._loop.call_later(_GRACE_SECONDS, self._time_out, due_at)

    def _time_out(self, due_at: float) -> None:
        deadlines, late = self._deadlines, False
        while deadlines and (deadlines[0][0] <= due_at or all(waiter.done() for waiter in deadlines[0][1])):
            for waiter in deadlines.popleft()[1]:
                if not waiter.done():
                    late = True
                    self._breaker.failed()
                    self._fail(
                        waiter,
                        f"Redis did not answer within {self._timeout * 1000:.0f} ms",
                        maybe_executed=True,
                    )
        now = self._loop.time()
        if late and now - self._silent_since > _SILENCE_SECONDS:
            self.abort("Redis has fallen silent")
        self._timer = None
        if deadlines:
            due_at = deadlines[0][0]
            self._timer = self._loop.call_later(max(0.0, due_at - now), self._judge_deadlines, due_at)

    @staticmethod
    def _fail(waiter: asyncio.Future[Any], reason: str, *, maybe_executed: bool) -> None:
        if not waiter.done():
            waiter.set_exception(RedisUnavailable(reason, maybe_executed=maybe_executed))
