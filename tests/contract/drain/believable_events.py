"""Events for the drain's tests, and what the tables must say once they are all in."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
import msgspec
from redis.asyncio import Redis

from millrace.streams.event_records import (
    EVENT_TYPES,
    StreamEvent,
    encode_piece,
    id_at_place,
    join_record,
    record_head,
)
from millrace.streams.ids import id_bytes_at, id_time_ms
from tests.contract.drain.believable import append

QUARTER_MS = 900_000
DAY_MS = 86_400_000


def events(count: int, *, at_ms: int | None = None, per_request: int = 20) -> list[StreamEvent]:
    """Events of the last half hour, some sessions and products, bots among them, by the request."""
    chance = random.Random()  # noqa: S311 - anything will do
    now_ms = int(time.time() * 1000) if at_ms is None else at_ms
    made: list[StreamEvent] = []
    while len(made) < count:
        base = id_bytes_at(now_ms)
        number = chance.randrange(10**9)
        human = chance.random() < 0.8
        made += [
            _event(chance, id_at_place(base, place), now_ms, number, human=human)
            for place in range(per_request)
        ]
    return made[:count]


def _event(
    chance: random.Random, event_id: bytes, received_ms: int, number: int, *, human: bool
) -> StreamEvent:
    return StreamEvent(
        event_id=event_id,
        client_id=None,
        type=chance.choice(EVENT_TYPES),
        session_id=f"session-{number}",
        user_id=f"user-{number % 50}" if number % 3 else None,
        product_id=chance.choice(["a-product", "søppel", None]),
        url="https://shop.example/søppel?utm_source=Brev" if number % 2 else None,
        referrer=chance.choice(["https://www.google.de/", "https://else.example/", None]),
        metadata=chance.choice([b'{"amount":5,"note":"\\u00e5"}', None]),
        occurred_ms=received_ms - chance.randrange(1_800_000),
        received_ms=received_ms,
        clamped=chance.random() < 0.1,
        human=human,
        device="mobile",
        country=chance.choice(["NO", "ZZ"]),
    )


def record(request: Sequence[StreamEvent]) -> bytes:
    """The record of a request's events, each with its id written out."""
    base = request[0].received_ms.to_bytes(6, "big") + request[0].event_id[6:]
    return join_record(record_head(base), [encode_piece(event, None) for event in request])


async def append_events(redis: Redis, key: bytes, of: Sequence[StreamEvent], per_request: int = 20) -> None:
    """Append events to a stream, some to a record; those of one record are received at one time."""
    starts = range(0, len(of), per_request)
    await append(redis, key, [record(of[start : start + per_request]) for start in starts])


def with_client_ids(of: Iterable[StreamEvent]) -> list[StreamEvent]:
    """The same events as if each client had given an id of its own, no UUIDv7."""
    return [msgspec.structs.replace(event, client_id=random.randbytes(16)) for event in of]  # noqa: S311


async def assert_events_once(postgres: asyncpg.Connection, of: Iterable[StreamEvent]) -> None:
    """Each event is a row with its own values, counted once everywhere; nothing else is."""
    expected = {event.event_id: event for event in of}
    rows = await postgres.fetch("SELECT * FROM events")
    assert Counter(row["event_id"].bytes for row in rows) == Counter(expected.keys())
    for row in rows:
        _assert_row(row, expected[row["event_id"].bytes])
    identities = await postgres.fetch("SELECT client_id, event_id FROM event_identities")
    assert {(row[0].bytes, row[1].bytes) for row in identities} == {
        (event.client_id, event.event_id) for event in expected.values() if event.client_id
    }
    await assert_counted(postgres, expected.values())


def _assert_row(row: asyncpg.Record, event: StreamEvent) -> None:
    assert row["occurred_at"].timestamp() * 1000 == event.occurred_ms
    assert row["received_at"].timestamp() * 1000 == event.received_ms
    assert (row["client_id"] and row["client_id"].bytes) == event.client_id
    assert (row["metadata"] is None) == (event.metadata is None)
    same = ("type", "session_id", "user_id", "product_id", "url", "referrer", "device", "country")
    assert [row[name] for name in same] == [getattr(event, name) for name in same]
    assert (row["is_human"], row["is_clamped"]) == (event.human, event.clamped)
    assert id_time_ms(event.event_id) // DAY_MS >= 0


async def assert_counted(postgres: asyncpg.Connection, of: Iterable[StreamEvent]) -> None:
    """Rollups and sessions say what the events say."""
    counted = list(of)
    human = [event for event in counted if event.human]
    assert await _rollups(postgres, "event_type_rollups", "type", "human_events, bot_events") == _per(
        counted, lambda event: event.type, (lambda event: event.human, lambda event: not event.human)
    )
    assert await _rollups(
        postgres, "event_country_rollups", "country", "page_views, human_events, bot_events"
    ) == _per(
        counted,
        lambda event: event.country,
        (
            lambda event: event.human and event.type == "page_view",
            lambda event: event.human,
            lambda event: not event.human,
        ),
    )
    of_products = [
        event
        for event in human
        if event.product_id and event.type in {"product_view", "add_to_cart", "purchase"}
    ]
    assert await _rollups(
        postgres, "product_rollups", "product_id", "views, add_to_carts, purchases"
    ) == _per(
        of_products,
        lambda event: event.product_id,
        tuple(_is(kind) for kind in ("product_view", "add_to_cart", "purchase")),
    )
    sessions = await postgres.fetch("SELECT * FROM event_sessions")
    assert {row["session_id"] for row in sessions} == {event.session_id for event in human}
    for row in sessions:
        _assert_session(row, [event for event in human if event.session_id == row["session_id"]])


def _assert_session(row: asyncpg.Record, of: Sequence[StreamEvent]) -> None:
    def times(kind: str | None) -> list[float]:
        return [event.occurred_ms / 1000 for event in of if kind in {None, event.type}] or [0.0]

    def at(name: str) -> float:
        return row[name].timestamp() if row[name] else 0.0

    assert (at("started_at"), at("last_event_at")) == (min(times(None)), max(times(None)))
    assert at("first_product_view_at") == min(times("product_view"))
    assert (at("first_add_to_cart_at"), at("last_add_to_cart_at")) == (
        min(times("add_to_cart")),
        max(times("add_to_cart")),
    )
    assert at("last_purchase_at") == max(times("purchase"))


def _is(kind: str) -> Any:
    return lambda event: event.type == kind


async def _rollups(postgres: asyncpg.Connection, table: str, key: str, counters: str) -> dict[Any, Any]:
    rows = await postgres.fetch(
        f"SELECT (extract(epoch FROM bucket_start) / 900)::bigint, {key}, {counters} "  # noqa: S608
        f"FROM {table} WHERE span_minutes = 15"
    )
    return {tuple(row)[:2]: tuple(row)[2:] for row in rows}


def _per(of: Iterable[StreamEvent], key: Any, counters: Sequence[Any]) -> dict[Any, Any]:
    sums: dict[Any, list[int]] = {}
    for event in of:
        row = sums.setdefault((event.occurred_ms // QUARTER_MS, key(event)), [0] * len(counters))
        for place, counts in enumerate(counters):
            row[place] += bool(counts(event))
    return {each: tuple(row) for each, row in sums.items()}
