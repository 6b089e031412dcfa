"""Traffic at a steady rate, on kept and on fresh connections, whose every answer has to be the expected one.

It speaks HTTP by itself, since a client library would quietly repeat a lost request. A connection may end
only after an answer that said `Connection: close`; any other end of one is a failure here.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

ANSWER_SECONDS = 15.0
# On a machine too busy for the rate, it is the rate that gives way: overload is no restart's fault.
MOST_AT_ONCE = 40
KEPT_CONNECTIONS = 8
# Longer ago, and the server may have closed it without finding a chance to say so: clients should not use one
# that was idle for as long as a stop takes.
USED_AGAIN_WITHIN_SECONDS = 0.5


@dataclass(frozen=True)
class Asked:
    """One request: what kind it is of, what is sent, and the status that has to come back."""

    kind: str
    method: str
    path: str
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def head(self, host: str, *, closes: bool) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(self.body)}"]
        if closes:
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode()


@dataclass(frozen=True)
class Answered:
    """What came back, and whether the connection was said to end with it."""

    status: int
    closes: bool
    body: bytes


class Connection:
    """A connection on which one request follows another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.answered_at = 0.0

    async def ask(self, asked: Asked, host: str, *, closes: bool) -> Answered:
        """Raises OSError or EOFError when the connection ends before the whole answer has come."""
        self._writer.write(asked.head(host, closes=closes) + asked.body)
        status_line, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        closing = headers.get("connection", "").lower() == "close"
        self.answered_at = time.monotonic()
        return Answered(int(status_line.split(" ", 2)[1]), closing, body)

    def close(self) -> None:
        self._writer.close()


@dataclass
class SteadyTraffic:
    """Sends requests of each kind in turn, every other one of a kind on a connection of its own.

    The rate does not depend on the answers, until too many are waited for: what is answered late does not
    make the rest come later.
    """

    url: str
    kinds: Sequence[Callable[[], Asked]]
    per_second: float = 100.0
    answered: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    # The bodies of what was created, to be looked for afterwards.
    bodies: dict[str, list[bytes]] = field(default_factory=dict)
    _kept: deque[Connection] = field(default_factory=deque)

    async def flow_until(self, stop: asyncio.Event) -> None:
        """Sends until told to stop, and returns when the last answer is there."""
        asking: set[asyncio.Task[None]] = set()
        due = time.monotonic()
        for number in itertools.count():
            if stop.is_set():
                break
            if len(asking) < MOST_AT_ONCE:
                make = self.kinds[number % len(self.kinds)]
                fresh = number // len(self.kinds) % 2 == 1
                task = asyncio.create_task(self._ask(make(), fresh=fresh))
                asking.add(task)
                task.add_done_callback(asking.discard)
            due = max(due + 1 / self.per_second, time.monotonic())
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        await asyncio.gather(*asking)
        for connection in self._kept:
            connection.close()

    async def _ask(self, asked: Asked, *, fresh: bool) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await (self._on_fresh(asked) if fresh else self._on_kept(asked))
        except (OSError, EOFError, TimeoutError) as error:
            self._fail(asked, f"{type(error).__name__} on a {'fresh' if fresh else 'kept'} connection")
            return
        self.seconds.append(time.monotonic() - began)
        if answer.status != asked.status:
            self._fail(asked, f"{answer.status} {answer.body.decode(errors='replace')}")
            return
        self.answered[asked.kind] += 1
        self.bodies.setdefault(asked.kind, []).append(answer.body)

    async def _on_fresh(self, asked: Asked) -> Answered:
        connection = await self._open()
        try:
            return await connection.ask(asked, self._host, closes=True)
        finally:
            connection.close()

    async def _on_kept(self, asked: Asked) -> Answered:
        connection = self._take_kept() or await self._open()
        keeps = False
        try:
            answer = await connection.ask(asked, self._host, closes=False)
            keeps = not answer.closes and len(self._kept) < KEPT_CONNECTIONS
        finally:
            self._kept.append(connection) if keeps else connection.close()
        return answer

    def _take_kept(self) -> Connection | None:
        """The one that was idle for longest, so that each gets its turn."""
        while len(self._kept) == KEPT_CONNECTIONS:
            connection = self._kept.popleft()
            if time.monotonic() - connection.answered_at < USED_AGAIN_WITHIN_SECONDS:
                return connection
            connection.close()
        return None

    async def _open(self) -> Connection:
        place = urlsplit(self.url)
        return Connection(*await asyncio.open_connection(place.hostname, place.port))

    @property
    def _host(self) -> str:
        return urlsplit(self.url).netloc

    def _fail(self, asked: Asked, how: str) -> None:
        self.failures.append(f"{time.strftime('%H:%M:%S')} {asked.kind}: {how}")


def json_body(content: object) -> bytes:
    return json.dumps(content).encode()
