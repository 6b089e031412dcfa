"""Which times an event may carry to become a row."""

from __future__ import annotations

import pytest

from millrace.streams.event_records import StreamEvent, encode_piece, join_record, record_head
from millrace.streams.ids import id_bytes_at
from server.db.day_partitions import DAY_MS
from workers.drain.dead_letters import DeathReason
from workers.drain.decoding import decode_entries
from workers.drain.event_kind import EventKind

NOW_MS = 20_780 * DAY_MS + 43_200_000
FUTURE, OLD = DeathReason.DATED_IN_THE_FUTURE, DeathReason.OLDER_THAN_RETENTION


def record(id_ms: int, received_ms: int, occurred_ms: int) -> bytes:
    event = StreamEvent(
        event_id=id_bytes_at(id_ms),
        client_id=None,
        type="page_view",
        session_id="s",
        user_id=None,
        product_id=None,
        url=None,
        referrer=None,
        metadata=None,
        occurred_ms=occurred_ms,
        received_ms=received_ms,
        clamped=False,
        human=True,
        device="desktop",
        country="SE",
    )
    return join_record(record_head(id_bytes_at(received_ms)), [encode_piece(event, None)])


@pytest.mark.parametrize(
    ("id_days", "received_days", "occurred_days", "reason"),
    [
        (0, 0, 0, None),
        (0, 0, -31, None),
        (-30, 0, 0, None),  # a client's own id, a month old
        (1, 1, 1, None),
        (-40, -40, -71, None),
        (0, 0, -32, OLD),
        (-31, 0, 0, None),
        (-32, 0, 0, OLD),
        (-41, 0, 0, OLD),
        (0, -41, 0, OLD),
        (2, 0, 0, FUTURE),
        (0, 2, 0, FUTURE),
        (0, 0, 2, FUTURE),
    ],
)
def test_dates(id_days: int, received_days: int, occurred_days: int, reason: DeathReason | None) -> None:
    """Id and receipt lie between retention and a day ahead, the event at most 31 days from its id."""
    times = [NOW_MS + days * DAY_MS for days in (id_days, received_days, occurred_days)]
    batch = decode_entries(EventKind(retention_days=40), "s", [(b"1-0", [b"r", record(*times)])], NOW_MS)
    assert [letter.reason for letter in batch.dead_letters] == ([reason] if reason else [])
    assert len(batch.rows) == (0 if reason else 1)
    assert batch.finished == [b"1-0"]
