"""Bodies of events for tests, and what is taken of them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from millrace.streams.event_input import EventBatch, NewEvent, Origin, read_batch

NOW_MS = 1_790_000_000_123

NOW = datetime.fromtimestamp(NOW_MS // 1_000, UTC) + timedelta(milliseconds=NOW_MS % 1_000)

DAY_MS = 86_400_000

HUMAN = Origin(human=True, device="desktop", country="DE")

GOOD = {"type": "page_view", "sessionId": "s-1"}

UUID4 = "0e5c2c9e-3a4d-4b7f-9c1e-8d2f6a7b5c4d"


def read(body: Any, origin: Origin = HUMAN) -> EventBatch:
    """The verdicts on a body, given as bytes or as what JSON makes of it."""
    return read_batch(body if isinstance(body, bytes) else json.dumps(body).encode(), origin, now_ms=NOW_MS)


def only(batch: EventBatch) -> NewEvent:
    """The one event of a batch that was taken whole."""
    assert batch.rejected == []
    (new,) = batch.events
    return new


def rejection(event: dict[str, Any] | bytes) -> tuple[str, str]:
    """Field and reason with which an event is refused, alone or among good ones, which stay."""
    raw = event if isinstance(event, bytes) else json.dumps(event).encode()
    alone = read(raw)
    assert alone.events == []
    good = json.dumps(GOOD).encode()
    for body in (b"[%b,%b,%b]" % (good, raw, good), b'{"events": [%b, %b,\n %b ]}' % (good, raw, good)):
        batch = read(body)
        assert [new.place for new in batch.events] == [0, 2]
        assert batch.count == 3
        (among,) = batch.rejected
        assert among.index == 1
        assert among[1:] == alone.rejected[0][1:]
    assert alone.rejected[0].index == 0
    return alone.rejected[0].field, alone.rejected[0].reason


def with_(field: str, raw: bytes) -> bytes:
    """A good event with one field of JSON as it stands."""
    return b'{"type":"purchase","sessionId":"s-1","%b":%b}' % (field.encode(), raw)
