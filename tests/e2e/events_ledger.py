"""A client's own ledger of events: what the edge acknowledged or refused, against what Postgres holds.

Each event is known by a key of its own: the id that it carries, or its session where it carries none.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from millrace.streams.ids import id_bytes_at
from tests.e2e.conftest import BROWSER
from tests.e2e.steady_traffic import Answered, Asked, Connection
from tests.stack import Stack

PATH = "/api/v1/analytics/events"
ANSWER_SECONDS = 10.0
TYPES = ("page_view", "product_view", "click", "add_to_cart", "purchase")
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
# One batch in so many comes from a crawler, holds an event that must be refused, holds nothing else, or is
# sent twice.
CRAWLED_ONE_IN, WRONG_ONE_IN, ALL_WRONG_ONE_IN, REPEATED_ONE_IN = 7, 5, 13, 11

Event = dict[str, Any]


@dataclass(frozen=True)
class Findings:
    """Where ledger and Postgres differ, by the events' keys; all empty when they do not."""

    lost: set[str]
    extra: set[str]
    phantom: set[str]

    def __str__(self) -> str:
        parts = (f"{name}={len(keys)} {sorted(keys)[:5]}" for name, keys in vars(self).items() if keys)
        return ", ".join(parts) or "nothing"


@dataclass
class EventLedger:
    """Sends events of every kind without pause and notes every answer; `mark` begins each session's name."""

    stack: Stack
    mark: str = field(default_factory=lambda: f"led-{uuid.uuid4().hex[:10]}")
    sent: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    # Requests whose answer did not come: their events may be stored or not.
    unanswered: int = 0
    # Answers that no fault explains, in words.
    surprises: list[str] = field(default_factory=list)
    # (when it was asked, how long it took), in seconds of the monotonic clock.
    answers: list[tuple[float, float]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    async def send_until(
        self, stop: asyncio.Event, *, shoppers: int = 4, events: int = 12, pause: float = 0.02
    ) -> None:
        """Lets `shoppers` send batches of up to that many events side by side until told to stop."""
        await asyncio.gather(*(self._shop(stop, events, pause) for _ in range(shoppers)))

    async def _shop(self, stop: asyncio.Event, most: int, pause: float) -> None:
        door = Door(self.stack)
        try:
            while not stop.is_set():
                number = next(self._numbers)
                batch = self.make_batch(number, random.randint(1, most))  # noqa: S311
                crawler = number % CRAWLED_ONE_IN == 0
                answer = await self.send(door, batch, crawler=crawler)
                if carries_ids(batch) and (answer is None or number % REPEATED_ONE_IN == 0):
                    await self.send(door, batch, crawler=crawler)
                await asyncio.sleep(pause)
        finally:
            door.close()

    def make_batch(self, number: int, count: int) -> list[Event]:
        """New events. All carry an id or none does, so that a batch can be sent again as a whole or not."""
        with_ids = number % 3 != 0
        batch = [make_event(f"{self.mark}-{number}", place, with_id=with_ids) for place in range(count)]
        if number % ALL_WRONG_ONE_IN == 0:
            return [event | {"type": "no_such_type"} for event in batch]
        if number % WRONG_ONE_IN == 0:
            wrong = make_event(f"{self.mark}-{number}-wrong", 0, with_id=False) | {"type": "no_such_type"}
            batch.insert(random.randint(0, count), wrong)  # noqa: S311
        return batch

    async def send(self, door: Door, batch: Sequence[Event], *, crawler: bool = False) -> Answered | None:
        """Sends the batch once and notes what came of it; None when no answer came."""
        keys = [key_of(event) for event in batch]
        self.sent.update(keys)
        asked_at = time.monotonic()
        try:
            answer = await asyncio.wait_for(door.post(batch, crawler=crawler), ANSWER_SECONDS)
        except (OSError, TimeoutError, EOFError):
            self.unanswered += 1
            return None
        self.answers.append((asked_at, time.monotonic() - asked_at))
        self.statuses[answer.status] += 1
        self._note(answer, batch, keys)
        return answer

    def _note(self, answer: Answered, batch: Sequence[Event], keys: list[str]) -> None:
        if answer.status == 202:
            body = json.loads(answer.body)
            rejected = {item["index"] for item in body["rejected"]}
            wrong = {place for place, event in enumerate(batch) if event["type"] not in TYPES}
            if rejected != wrong or body["accepted"] + body["duplicates"] + len(rejected) != len(batch):
                self.surprises.append(f"{len(batch)} events, wrong {wrong}: {body}")
            self.acknowledged.update(key for place, key in enumerate(keys) if place not in rejected)
            self.refused.update(key for place, key in enumerate(keys) if place in rejected)
        elif 400 <= answer.status < 600:
            self.refused.update(keys)
            if answer.status != 503 and any(event["type"] in TYPES for event in batch):
                self.surprises.append(f"{answer.status} {answer.body[:300]!r}")
        else:
            self.surprises.append(f"{answer.status} {answer.body[:300]!r}")

    async def findings(self) -> Findings:
        """Compares with what is stored now; events without an answer may be there or not."""
        stored = await self.stored()
        return Findings(
            lost=self.acknowledged - stored.keys(),
            extra={key for key, times in stored.items() if times > 1 or key not in self.sent},
            # One that was refused and acknowledged another time may be there.
            phantom=(self.refused - self.acknowledged) & stored.keys(),
        )

    async def stored(self) -> Counter[str]:
        """How often each of this ledger's events is a row."""
        connection = await asyncpg.connect(self.stack["postgres_dsn"])
        try:
            rows = await connection.fetch(
                "SELECT event_id, client_id, session_id FROM events WHERE starts_with(session_id, $1)",
                self.mark,
            )
        finally:
            await connection.close()
        return Counter(map(self._key_of_row, rows))

    def _key_of_row(self, row: asyncpg.Record) -> str:
        for value in (row["client_id"], row["event_id"]):
            if value is not None and str(value) in self.sent:
                return str(value)
        return str(row["session_id"])

    def slowest_since(self, since: float, *, percentile: float = 99) -> float:
        """Of the requests asked since that moment, the seconds within which so many percent were answered."""
        return percentile_of([took for asked_at, took in self.answers if asked_at >= since], percentile)


class Door:
    """A connection to the edge that is opened again once it broke or was said to end."""

    def __init__(self, stack: Stack) -> None:
        self._place = urlsplit(stack["edge_url"])
        self._connection: Connection | None = None
        # Every one is another visitor, so that the rate limit of one address is never met.
        self._address = f"10.{random.getrandbits(8)}.{random.getrandbits(8)}.{random.getrandbits(8)}"

    async def post(self, batch: Sequence[Event], *, crawler: bool = False) -> Answered:
        """Raises OSError or EOFError when the answer does not come; nothing is sent a second time."""
        headers = {"User-Agent": CRAWLER if crawler else BROWSER, "X-Forwarded-For": self._address}
        asked = Asked("events", "POST", PATH, 202, headers, json.dumps(batch).encode())
        if self._connection is None:
            self._connection = Connection(
                *await asyncio.open_connection(self._place.hostname, self._place.port)
            )
        answer = None
        try:
            answer = await self._connection.ask(asked, self._place.netloc, closes=False)
        finally:
            if answer is None or answer.closes:
                self.close()
        return answer

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def make_event(session: str, place: int, *, with_id: bool) -> Event:
    """A valid event; with an id it has a v4 or a v7 of its own and shares its session with its neighbours."""
    made: Event = {
        "type": TYPES[place % len(TYPES)],
        "sessionId": session if with_id else f"{session}-{place}",
        "productId": f"prod-{random.randint(1, 20)}",  # noqa: S311
        "url": f"https://shop.example/p/{place}?utm_source=ledger",
        "timestamp": (datetime.now(UTC) - timedelta(seconds=random.randint(0, 1800))).isoformat(),  # noqa: S311
    }
    if place % 3 == 0:
        made["userId"] = f"user-{random.randint(1, 500)}"  # noqa: S311
    if made["type"] == "purchase":
        made["metadata"] = {"amount": 2995, "currency": "EUR", "orderId": f"{session}-{place}"}
    if with_id:
        v7 = uuid.UUID(bytes=id_bytes_at(time.time_ns() // 1_000_000))
        made["id"] = str(v7 if place % 2 else uuid.uuid4())
    return made


def key_of(event: Event) -> str:
    """What an event is known by on both sides."""
    return str(event.get("id") or event["sessionId"])


def carries_ids(batch: Sequence[Event]) -> bool:
    """Whether the batch may be sent again without making new events."""
    return all("id" in event or event["type"] not in TYPES for event in batch)


def percentile_of(seconds: list[float], percentile: float) -> float:
    """The value that so many percent do not exceed; 0.0 of nothing."""
    if not seconds:
        return 0.0
    return sorted(seconds)[max(0, -(-int(percentile * len(seconds)) // 100) - 1)]
