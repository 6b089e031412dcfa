"""Load on one HTTP address, in two ways.

The open loop is for latency: every request has an intended time, and latency counts from it, so that a slow
server shows the queue that real shoppers would stand in. The closed loop is for cost at capacity: every
connection sends its next request when the last one is answered, and latency counts from there.
"""

import asyncio
import re
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import quantiles
from typing import cast

CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
TICK_SECONDS = 0.001


@dataclass
class LoadResult:
    """What a run saw: statuses, and latencies in seconds."""

    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def requests(self) -> int:
        return len(self.latencies)

    def percentile_ms(self, percent: int) -> float:
        return quantiles(self.latencies, n=100, method="inclusive")[percent - 1] * 1000

    def as_dict(self) -> dict[str, float]:
        return {
            "requests": self.requests,
            "per_second": round(self.requests / self.seconds),
            "p50_ms": round(self.percentile_ms(50), 2),
            "p99_ms": round(self.percentile_ms(99), 2),
        }


class KeepAliveConnection(asyncio.Protocol):
    """One connection with at most one request under way, as a browser's."""

    def __init__(self, pool: "ConnectionPool") -> None:
        self._pool = pool
        self._buffer = b""
        self._intended_at = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def send(self, request: bytes, intended_at: float | None) -> None:
        assert self._transport is not None
        self._intended_at = time.perf_counter() if intended_at is None else intended_at
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = CONTENT_LENGTH.search(head)
        if length and len(body) < int(length.group(1)):
            return
        self._buffer = b""
        self._pool.answered(self, int(head[9:12]), self._intended_at)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.lost()


class ConnectionPool:
    """Idle connections, and the requests that wait for one."""

    def __init__(self) -> None:
        self.result = LoadResult()
        self._idle: deque[KeepAliveConnection] = deque()
        self._waiting: deque[tuple[bytes, float | None]] = deque()
        self.lost_connections = 0
        self.closing = False

    def add(self, connection: KeepAliveConnection) -> None:
        self._idle.append(connection)

    def submit(self, request: bytes, intended_at: float | None) -> None:
        """Without an intended time, the latency counts from the sending."""
        if self._idle:
            self._idle.popleft().send(request, intended_at)
        else:
            self._waiting.append((request, intended_at))

    def answered(self, connection: KeepAliveConnection, status: int, intended_at: float) -> None:
        self.result.statuses[status] += 1
        self.result.latencies.append(time.perf_counter() - intended_at)
        if self._waiting:
            connection.send(*self._waiting.popleft())
        else:
            self._idle.append(connection)

    async def answers(self, count: int) -> None:
        """Returns once `count` requests are answered; raises when a connection was lost before."""
        async with asyncio.timeout(60):
            while self.result.requests < count:
                if self.lost_connections:
                    raise ConnectionError(f"{self.lost_connections} connections were cut")
                await asyncio.sleep(0.01)

    def lost(self) -> None:
        if not self.closing:
            self.lost_connections += 1


async def open_loop(
    host: str, port: int, requests: Iterator[bytes], *, per_second: int, count: int, connections: int = 50
) -> LoadResult:
    """Sends `count` requests at a steady `per_second`, whatever the server does, and awaits the answers."""
    async with connected_pool(host, port, connections) as pool:
        start = time.perf_counter()
        sent = 0
        while sent < count:
            due = min(count, int((time.perf_counter() - start) * per_second) + 1)
            while sent < due:
                pool.submit(next(requests), start + sent / per_second)
                sent += 1
            await asyncio.sleep(TICK_SECONDS)
        await pool.answers(count)
        pool.result.seconds = time.perf_counter() - start
        return pool.result


async def closed_loop(
    host: str, port: int, requests: Iterator[bytes], *, count: int, connections: int = 50
) -> LoadResult:
    """Sends `count` requests as fast as the answers come."""
    async with connected_pool(host, port, connections) as pool:
        start = time.perf_counter()
        for _ in range(count):
            pool.submit(next(requests), None)
        await pool.answers(count)
        pool.result.seconds = time.perf_counter() - start
        return pool.result


@asynccontextmanager
async def connected_pool(host: str, port: int, connections: int) -> AsyncIterator[ConnectionPool]:
    loop = asyncio.get_running_loop()
    pool = ConnectionPool()
    transports = []
    for _ in range(connections):
        transport, protocol = await loop.create_connection(lambda: KeepAliveConnection(pool), host, port)
        pool.add(protocol)
        transports.append(transport)
    yield pool
    pool.closing = True
    for transport in transports:
        transport.close()
