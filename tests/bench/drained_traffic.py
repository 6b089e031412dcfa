"""Clicks and events for the drain's benchmark: as stream records, as facts, and as asyncpg's tuples."""

import json
import random
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from millrace.streams.event_records import (
    EVENT_TYPES,
    StreamEvent,
    encode_piece,
    id_at_place,
    join_record,
    record_head,
)
from millrace.streams.ids import id_bytes_at
from millrace.streams.keys import StreamKeys
from millrace.streams.records import Click, encode_click
from workers.drain.click_kind import ClickKind
from workers.drain.event_kind import EventKind
from workers.drain.rows import StreamKind

LINKS = 500
PRODUCTS = 2_000
EVENTS_PER_RECORD = 20
_WEIGHTS = (45, 35, 5, 10, 5)


class Traffic(NamedTuple):
    """What one benchmark drains: `records` hold the facts that `rows` are of."""

    name: str
    key: bytes
    kind: StreamKind[Any, Any]
    facts: Sequence[Any]
    records: Sequence[bytes]
    rows: Sequence[tuple[object, ...]]


def click_traffic(keys: StreamKeys, count: int) -> Traffic:
    """Clicks of the last minutes over LINKS links, some far more popular than others."""
    chance = random.Random(7)  # noqa: S311 - the same clicks every time
    links = [chance.randbytes(16) for _ in range(LINKS)]
    now_ms = int(time.time() * 1000)
    clicks = [_click(chance, links, now_ms - (count - number) // 20) for number in range(count)]
    records = [encode_click(click) for click in clicks]
    return Traffic(
        "clicks", keys.clicks(0), ClickKind(), clicks, records, [_click_row(each) for each in clicks]
    )


def event_traffic(keys: StreamKeys, count: int) -> Traffic:
    """Events of the last minutes, EVENTS_PER_RECORD a request: pages, products, purchases with metadata."""
    chance = random.Random(8)  # noqa: S311 - the same events every time
    now_ms = int(time.time() * 1000)
    requests = [
        _request(chance, now_ms - (count - number) // 20) for number in range(0, count, EVENTS_PER_RECORD)
    ]
    events = [event for request in requests for event in request]
    records = [_record(request) for request in requests]
    return Traffic(
        "events", keys.events(0), EventKind(), events, records, [_event_row(each) for each in events]
    )


def _click(chance: random.Random, links: Sequence[bytes], at_ms: int) -> Click:
    link = int(chance.paretovariate(0.7)) % len(links)
    human = chance.random() < 0.9
    return Click(
        click_id=id_bytes_at(at_ms),
        link_id=links[link],
        partner_id=links[link % 20],
        product_id=f"product-{link}",
        at_ms=at_ms,
        human=human,
        unique=human and chance.random() < 0.7,
        visitor=chance.randbytes(8),
        device=chance.choice(["mobile", "desktop", "tablet"]) if human else "bot",
        referrer_host=chance.choice(["www.google.com", "t.co", None]),
        country=chance.choice(["DE", "FR", "US"]),
    )


def _request(chance: random.Random, received_ms: int) -> list[StreamEvent]:
    base = id_bytes_at(received_ms)
    session = chance.randbytes(12).hex()
    human = chance.random() < 0.95
    origin = {
        "session_id": session,
        "user_id": f"user-{chance.randrange(20_000)}" if chance.random() < 0.3 else None,
        "referrer": chance.choice(["https://www.google.com/", "https://t.co/abc", None]),
        "received_ms": received_ms,
        "human": human,
        "device": chance.choice(["mobile", "desktop", "tablet"]) if human else "bot",
        "country": chance.choice(["DE", "AT", "CH", "FR", "NL", "US"]),
    }
    return [
        StreamEvent(**origin, **_happening(chance, id_at_place(base, place), received_ms))  # type: ignore[arg-type]
        for place in range(EVENTS_PER_RECORD)
    ]


def _happening(chance: random.Random, event_id: bytes, received_ms: int) -> dict[str, object]:
    (kind,) = chance.choices(EVENT_TYPES[:5], _WEIGHTS)
    product = None if kind == "page_view" else f"product-{int(chance.paretovariate(0.7)) % PRODUCTS}"
    amount = {
        "amount": chance.randrange(500, 90_000),
        "currency": "EUR",
        "orderId": chance.randbytes(6).hex(),
    }
    return {
        "event_id": event_id,
        "client_id": None,
        "type": kind,
        "product_id": product,
        "url": f"https://shop.example/products/{product}" if product else "https://shop.example/",
        "metadata": json.dumps(amount).encode() if kind == "purchase" else None,
        "occurred_ms": received_ms - chance.randrange(8_000),
        "clamped": False,
    }


def _record(request: Sequence[StreamEvent]) -> bytes:
    base = request[0].event_id
    return join_record(record_head(base), [encode_piece(event, place) for place, event in enumerate(request)])


def _click_row(click: Click) -> tuple[object, ...]:
    return (
        UUID(bytes=click.click_id),
        UUID(bytes=click.link_id),
        UUID(bytes=click.partner_id),
        _instant(click.at_ms),
        click.human,
        click.unique,
        click.visitor,
        click.country,
        click.device,
        click.product_id,
        click.referrer_host,
    )


def _event_row(event: StreamEvent) -> tuple[object, ...]:
    return (
        UUID(bytes=event.event_id),
        _instant(event.occurred_ms),
        _instant(event.received_ms),
        event.human,
        event.clamped,
        event.country,
        None,
        event.type,
        event.session_id,
        event.user_id,
        event.product_id,
        event.device,
        "direct",
        event.url,
        event.referrer,
        None if event.metadata is None else event.metadata.decode(),
    )


def _instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def in_batches(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """The rows, `size` at a time."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
