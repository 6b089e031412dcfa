"""A small shop's days, written as the drain writes them, with what its tables hold."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

import asyncpg

from millrace.streams.event_records import EVENT_TYPES, StreamEvent
from millrace.streams.ids import id_bytes_at
from millrace.streams.records import Click
from server.analytics.event_columns import ROLLUP_TABLES, SESSIONS
from server.analytics.sketches import DIMENSION_LG_K, distinct
from workers.drain.click_kind import ClickKind
from workers.drain.event_kind import EventKind
from workers.drain.writer import RowWriter

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
SKETCHES = ("visitors", "sessions")


def today() -> int:
    """The UTC day, counted from 1970."""
    return time.time_ns() // 1_000_000 // DAY_MS


def this_hour_ms() -> int:
    """When the running hour began, in Unix milliseconds."""
    return time.time_ns() // 1_000_000 // HOUR_MS * HOUR_MS


def event(at_ms: int, **given: Any) -> StreamEvent:
    """A page view of that time, changed as told."""
    facts: dict[str, Any] = {
        "event_id": id_bytes_at(at_ms),
        "client_id": None,
        "type": "page_view",
        "session_id": "s-1",
        "user_id": None,
        "product_id": None,
        "url": "https://shop.example/",
        "referrer": None,
        "metadata": None,
        "occurred_ms": at_ms,
        "received_ms": at_ms,
        "clamped": False,
        "human": True,
        "device": "mobile",
        "country": "NO",
    }
    return StreamEvent(**{**facts, **given})


def some_events(count: int, first_ms: int, length_ms: int, *, seed: int = 1) -> Iterator[StreamEvent]:
    """Events of people and bots spread over the time, some of them users, some with an id of their own."""
    chance = random.Random(seed)  # noqa: S311 - believable, not secret
    for _ in range(count):
        at_ms = first_ms + chance.randrange(length_ms)
        person = chance.randrange(max(count // 5, 1))
        yield event(
            at_ms,
            client_id=chance.randbytes(6) + b"\x40" + chance.randbytes(9) if chance.random() < 0.2 else None,
            type=chance.choice(EVENT_TYPES),
            session_id=f"session-{person}-{chance.randrange(3)}",
            user_id=f"user-{person}" if person % 3 == 0 else None,
            product_id=chance.choice([None, "lamp", "chair", "søppel"]),
            url="https://shop.example/?utm_source=" + chance.choice(["news", "partner"]),
            human=chance.random() < 0.8,
            device=chance.choice(["mobile", "desktop"]),
            country=chance.choice(["NO", "DE", "ZZ"]),
        )


def some_clicks(count: int, first_ms: int, length_ms: int, *, seed: int = 1) -> Iterator[Click]:
    """Clicks on a few links, spread over the time."""
    chance = random.Random(seed)  # noqa: S311 - believable, not secret
    links = [chance.randbytes(16) for _ in range(4)]
    for _ in range(count):
        at_ms = first_ms + chance.randrange(length_ms)
        human = chance.random() < 0.8
        yield Click(
            click_id=id_bytes_at(at_ms),
            link_id=chance.choice(links),
            partner_id=links[0],
            product_id=chance.choice([None, "lamp", "chair"]),
            at_ms=at_ms,
            human=human,
            unique=human and chance.random() < 0.5,
            visitor=chance.randbytes(8),
            device="mobile",
            referrer_host=None,
            country="NO",
        )


async def write(dsn: str, events: Iterator[StreamEvent] | list[StreamEvent] = (), clicks: Any = ()) -> None:  # type: ignore[assignment]
    """Commit them as the drain does, without any stream."""
    async with RowWriter(EventKind(), dsn) as writer:
        await writer.write_facts(events)
    async with RowWriter(ClickKind(), dsn) as writer:
        await writer.write_facts(clicks)


async def counted(
    postgres: asyncpg.Connection, *, span: int | None = None
) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of counts, sketches as estimates; sessions and links when `span` is None."""
    where = "" if span is None else f"WHERE span_minutes = {span}"
    tables = {
        table.name: await postgres.fetch(f"SELECT * FROM {table.name} {where}")  # noqa: S608
        for table in ROLLUP_TABLES
    }
    if span is None:
        tables[SESSIONS] = await postgres.fetch(f"SELECT * FROM {SESSIONS}")  # noqa: S608
        tables["link_click_rollups"] = await postgres.fetch("SELECT * FROM link_click_rollups")
    return {
        name: sorted(
            (tuple(_plain(column, value) for column, value in row.items()) for row in rows), key=repr
        )
        for name, rows in tables.items()
    }


def _plain(column: str, value: Any) -> Any:
    return distinct(DIMENSION_LG_K, [value]) if column in SKETCHES else value
