"""An event as a row of the events table, in COPY's binary format, columns in the order of EVENT_COLUMNS."""

from __future__ import annotations

import struct
from typing import Final

from millrace.streams.event_records import StreamEvent
from server.analytics.event_columns import EVENT_COLUMNS
from workers.drain.copy_format import (
    NULL,
    country_bytes,
    instant,
    packed_json,
    packed_text,
    packed_texts,
)

_COLUMNS: Final = len(EVENT_COLUMNS)
# The number of columns, then event_id … country, each behind its length.
_pack_fixed = struct.Struct(">h i16s iq iq i? i? i2s".replace(" ", "")).pack
_UUID_LENGTH: Final = (16).to_bytes(4, "big")


def copy_row(event: StreamEvent, source: str) -> bytes:
    """The row of an event that came from `source`.

    Raises ValueError for a country of other than two bytes, and for text that has no UTF-8.
    """
    return b"".join(
        (
            _pack_fixed(
                _COLUMNS,
                16,
                event.event_id,
                8,
                instant(event.occurred_ms),
                8,
                instant(event.received_ms),
                1,
                event.human,
                1,
                event.clamped,
                2,
                country_bytes(event.country),
            ),
            NULL if event.client_id is None else _UUID_LENGTH + event.client_id,
            packed_texts(event.type),
            packed_texts(event.session_id, event.user_id),
            packed_texts(event.product_id, event.device, source),
            packed_text(event.url),
            packed_text(event.referrer),
            packed_json(event.metadata),
        )
    )
