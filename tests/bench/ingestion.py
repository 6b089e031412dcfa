"""Events at the door of one edge process, each acknowledged by a Valkey that syncs its log on every write.

Latency comes from an open loop, cost from a closed one. CPU is the kernel's accounting of the processes. The
drain of the stack runs all the while and shares the machine.
"""

import itertools
import json
import random
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from edge.connections import EVENTS_PATH
from tests.bench.load import LoadResult, closed_loop, open_loop
from tests.bench.processes import cpu_seconds
from tests.bench.redirect import BROWSERS, redis_pids
from tests.bench.rows import Row, at_least, at_most
from tests.stack import Stack, running_stack

BATCH = 20
SINGLE_PER_SECOND, BATCHES_PER_SECOND = 1_000, 100
SECONDS = 5
AT_CAPACITY = 2_500
ROUNDS = 3
TYPES = ("page_view", "page_view", "page_view", "product_view", "product_view", "click", "add_to_cart")

# Makes an event's id, None for one that the edge shall mint.
MakeId = Callable[[], str | None]


def no_id() -> None:
    return None


def any_id() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True)
class Door:
    """The edge under load and the Valkey behind it."""

    port: int
    pids: list[int]
    redis_pids: list[int]

    async def at_rate(self, size: int, per_second: int) -> LoadResult:
        requests = posts(self.port, size, no_id)
        return checked(
            await open_loop(
                "127.0.0.1", self.port, requests, per_second=per_second, count=per_second * SECONDS
            )
        )

    async def events_per_cpu_second(self, make_id: MakeId) -> tuple[float, float]:
        """Events by CPU seconds of the edge, and of edge and Valkey together."""
        requests = iter(list(itertools.islice(posts(self.port, BATCH, make_id), AT_CAPACITY)))
        before, redis_before = cpu_seconds(self.pids), cpu_seconds(self.redis_pids)
        checked(await closed_loop("127.0.0.1", self.port, requests, count=AT_CAPACITY))
        edge_cpu = cpu_seconds(self.pids) - before
        redis_cpu = cpu_seconds(self.redis_pids) - redis_before
        events = AT_CAPACITY * BATCH
        return events / edge_cpu, events / (edge_cpu + redis_cpu)


def posts(port: int, size: int, make_id: MakeId) -> Iterator[bytes]:
    """Requests of ever other sessions with ordinary browsers, each with so many events."""
    chance = random.Random(7)  # noqa: S311 - a repeatable crowd, not a secret
    for number in itertools.count():
        session = f"session-{chance.randrange(100_000):08d}"
        events = [an_event(chance, session, make_id()) for _ in range(size)]
        body = json.dumps(events[0] if size == 1 else {"events": events}, separators=(",", ":")).encode()
        browser = chance.choice(BROWSERS)
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        yield (
            f"POST {EVENTS_PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: {browser}\r\n"
            f"Accept: */*\r\nAccept-Language: de,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n"
            f"X-Forwarded-For: {address}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body


def an_event(chance: random.Random, session: str, event_id: str | None) -> dict[str, Any]:
    event = {
        "type": chance.choice(TYPES),
        "sessionId": session,
        "productId": f"demo-{chance.randrange(500):03d}",
        "url": f"https://shop.example/p/{chance.randrange(500)}?utm_source=newsletter",
        "referrer": "https://blog.example/review",
    }
    return event if event_id is None else {"id": event_id, **event}


def checked(result: LoadResult) -> LoadResult:
    if set(result.statuses) != {202}:
        raise RuntimeError(f"the edge answered {dict(result.statuses)}")
    return result


async def measure() -> list[Row]:
    async with AsyncExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="millrace-bench-")))
        folder.chmod(0o711)
        stack = await resources.enter_async_context(
            running_stack(folder, {"MILLRACE_EDGE_PROCESSES": "1", "MILLRACE_LOG_LEVEL": "warning"})
        )
        door = door_of(stack)
        await door.events_per_cpu_second(no_id)
        single, batches, minted, given = [], [], [], []
        for _ in range(ROUNDS):
            single.append(await door.at_rate(1, SINGLE_PER_SECOND))
            batches.append(await door.at_rate(BATCH, BATCHES_PER_SECOND))
            minted.append(await door.events_per_cpu_second(no_id))
            given.append(await door.events_per_cpu_second(any_id))
    return [
        latency_row("1,000 single events/s", single),
        latency_row("100 batches of 20/s", batches),
        at_least(
            "events per CPU second of the edge, batches of 20",
            median(edge for edge, _ in minted),
            150_000,
            "events/s",
            f"with client ids {median(edge for edge, _ in given):,.0f}",
        ),
        at_least(
            "events with client ids per CPU second of edge and Valkey",
            median(both for _, both in given),
            60_000,
            "events/s",
            f"without {median(both for _, both in minted):,.0f}",
        ),
    ]


def latency_row(load: str, results: list[LoadResult]) -> Row:
    p50 = median(result.percentile_ms(50) for result in results)
    p99 = median(result.percentile_ms(99) for result in results)
    return at_most(f"ingestion p99 at {load}", p99, 10, "ms", f"p50 {p50:.1f} ms")


def door_of(stack: Stack) -> Door:
    return Door(urlsplit(stack["edge_url"]).port or 80, stack.pids("-m edge"), redis_pids(stack))
