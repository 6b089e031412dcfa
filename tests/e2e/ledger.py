"""A client's own ledger of clicks: what it was told is recorded, against what Postgres holds."""

import asyncio
import itertools
import re
import time
import uuid
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import aiohttp
import asyncpg

from tests.e2e.conftest import BROWSER
from tests.stack import Stack

LOCATION = re.compile(r"^location: (\S+)", re.MULTILINE | re.IGNORECASE)
UNRECORDED = "millrace_edge_clicks_unrecorded_total"


@dataclass
class ClickLedger:
    """Clicks one link without pause and notes every answer."""

    stack: Stack
    code: str
    # What the edges had counted as unrecorded before the first click.
    unrecorded_before: int = 0
    # Click ids as the destination was told them; the answer came after Redis had the click.
    answered: set[uuid.UUID] = field(default_factory=set)
    # Requests without an answer: whether they were recorded cannot be known from here.
    unanswered: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    # (when it was asked, how long it took), in seconds of the monotonic clock.
    answers: list[tuple[float, float]] = field(default_factory=list)

    async def click_until(self, stop: asyncio.Event, *, shoppers: int = 8, pause: float = 0.01) -> None:
        """Lets `shoppers` click side by side until told to stop."""
        numbers = itertools.count(uuid.uuid4().int % 8_000_000)
        await asyncio.gather(*(self._shop(numbers, stop, pause) for _ in range(shoppers)))

    async def _shop(self, numbers: "itertools.count[int]", stop: asyncio.Event, pause: float) -> None:
        while not stop.is_set():
            asked_at = time.monotonic()
            try:
                status, location = await asyncio.wait_for(self._click(next(numbers)), 5)
            except (OSError, TimeoutError, EOFError):
                self.unanswered += 1
            else:
                self.answers.append((asked_at, time.monotonic() - asked_at))
                self.statuses[status] = self.statuses.get(status, 0) + 1
                if status == 302:
                    self.answered.add(uuid.UUID(parse_qs(urlsplit(location).query)["mclid"][0]))
            await asyncio.sleep(pause)

    async def _click(self, number: int) -> tuple[int, str]:
        """One request on a connection of its own: a client library would quietly repeat a lost one."""
        edge = urlsplit(self.stack["edge_url"])
        reader, writer = await asyncio.open_connection(edge.hostname, edge.port)
        try:
            writer.write(
                f"GET /l/{self.code} HTTP/1.1\r\nHost: {edge.netloc}\r\nUser-Agent: {BROWSER}\r\n"
                f"X-Forwarded-For: 10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        finally:
            writer.close()
        location = LOCATION.search(head)
        return int(head.split(" ", 2)[1]), location[1] if location else ""


@dataclass(frozen=True)
class Stored:
    """What Postgres holds of one link's clicks."""

    click_ids: set[uuid.UUID]
    rollup_human: int
    unique_rows: int
    rollup_unique: int


async def stored_clicks(dsn: str, link_id: str) -> Stored:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT click_id, is_unique FROM clicks WHERE link_id = $1", link_id)
        human, unique = await connection.fetchrow(
            "SELECT coalesce(sum(human_clicks), 0), coalesce(sum(unique_clicks), 0)"
            " FROM link_click_rollups WHERE link_id = $1",
            link_id,
        )
    finally:
        await connection.close()
    ids = {row["click_id"] for row in rows}
    assert len(ids) == len(rows)
    return Stored(ids, int(human), sum(row["is_unique"] for row in rows), int(unique))


async def unrecorded_clicks(stack: Stack, edges: str = "edge") -> int:
    """What the edges whose names begin so counted as redirected but not recorded, since they were started."""
    return await _sum_over_edges(stack, UNRECORDED, edges)


async def _sum_over_edges(stack: Stack, metric: str, edges: str) -> int:
    total, pattern = 0, re.compile(rf"^{metric}(?:\{{[^}}]*\}})? ([0-9.e+]+)$", re.MULTILINE)
    async with aiohttp.ClientSession() as session:
        for name, address in stack.endpoints["metrics"].items():
            if name.startswith(edges):
                async with session.get(address) as answer:
                    total += sum(int(float(value)) for value in pattern.findall(await answer.text()))
    return total
