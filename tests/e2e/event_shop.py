"""The shop as tests of events know it: a browser that sends, views that are shown, what lies beneath."""

from __future__ import annotations

import gzip
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import asyncpg
import redis.asyncio

from millrace.streams.event_records import StreamEvent, encode_piece, join_record, record_head
from millrace.streams.ids import id_bytes_at
from millrace.streams.keys import RECORD_FIELD, StreamKeys
from tests.e2e.conftest import BROWSER, Api
from tests.e2e.event_views import Views
from tests.e2e.events_ledger import PATH, Event
from tests.stack import Stack

EVENTS = StreamKeys().events(0)


@dataclass
class Browser:
    """Sends events as a page of the shop does; `mark` is source and product, and begins each session."""

    session: aiohttp.ClientSession
    mark: str = field(default_factory=lambda: f"j{uuid.uuid4().hex[:10]}")

    def event(self, type_: str, session: str = "s1", **members: Any) -> Event:
        """An event of the marked product and source."""
        return {
            "type": type_,
            "sessionId": f"{self.mark}-{session}",
            "productId": self.mark,
            "url": f"https://shop.example/p?utm_source={self.mark}",
            **members,
        }

    async def send(
        self,
        body: object,
        *,
        media_type: str = "application/json",
        agent: str = BROWSER,
        gzipped: bool = False,
    ) -> dict[str, Any]:
        """Posts the body and returns the answer, which must be 202."""
        raw = json.dumps(body).encode()
        headers = {"Content-Type": media_type, "User-Agent": agent, "X-Forwarded-For": "198.51.100.7"}
        if gzipped:
            raw, headers["Content-Encoding"] = gzip.compress(raw), "gzip"
        async with self.session.post(PATH, data=raw, headers=headers) as response:
            answer: dict[str, Any] = await response.json(content_type=None)
            assert response.status == 202, answer
            return answer

    async def accepted(self, body: object, **how: Any) -> None:
        """Sends what must be accepted whole."""
        count = len(body) if isinstance(body, list) else len(body["events"]) if "events" in body else 1  # type: ignore[index, operator]
        assert await self.send(body, **how) == {"accepted": count, "duplicates": 0, "rejected": []}


@dataclass(frozen=True)
class Shop:
    """Everything that a test about events touches; its browser's mark is its own."""

    stack: Stack
    admin: Api
    browser: Browser
    views: Views
    postgres: asyncpg.Connection
    redis: redis.asyncio.Redis

    @property
    def mark(self) -> str:
        return self.browser.mark

    async def append(self, record: bytes) -> None:
        """Puts a record of our own making into the stream."""
        await self.redis.xadd(EVENTS, {RECORD_FIELD: record})


@asynccontextmanager
async def event_shop(stack: Stack) -> AsyncIterator[Shop]:
    """Opens all of it for one test, or for several that look at the same visit."""
    connector = aiohttp.TCPConnector(limit=100)
    async with (
        aiohttp.ClientSession(stack["edge_url"], connector=connector) as session,
        redis.asyncio.Redis.from_url(stack["redis_url"]) as streams,
    ):
        admin = Api(session, stack["admin_token"])
        postgres = await asyncpg.connect(stack["postgres_dsn"])
        try:
            yield Shop(stack, admin, Browser(session), Views(admin, stack), postgres, streams)
        finally:
            await postgres.close()


def new_id(version: int) -> str:
    """A client's id: random, or dated now."""
    return str(uuid.uuid4() if version == 4 else uuid.UUID(bytes=id_bytes_at(time.time_ns() // 1_000_000)))


def record_of(event: Event, *, client_id: bytes, received_ms: int) -> bytes:
    """The stream record of an event as if an edge had received it at that moment."""
    base = id_bytes_at(received_ms)
    written = StreamEvent(
        base, client_id, event["type"], event["sessionId"], event.get("userId"), event["productId"],
        event["url"], None, None, received_ms, received_ms, clamped=False, human=True, device="desktop",
        country="ZZ",
    )  # fmt: skip
    return join_record(record_head(base), [encode_piece(written, 0)])
