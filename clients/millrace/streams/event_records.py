"""Stream records of events: how the events of one request are written into the event stream and read back.

A record is a version byte, then msgpack: the request's base id and the pieces, one for each event. Head and
pieces are packed apart, so that the Redis function can leave out a repeated event without decoding any.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, TypeAlias

import msgspec

from millrace.streams.ids import id_time_ms
from millrace.streams.records import CountryCode, Id, MalformedRecord, UnknownVersion

VERSION: Final = 1
# Pieces and bytes in one record: more of a request go into a second one, so that an entry is never large.
# functions.lua names the same.
MAX_PIECES: Final = 100
MAX_RECORD_BYTES: Final = 65_536

# As a piece names them. `search` is written by the search service alone.
EVENT_TYPES: Final = ("page_view", "product_view", "click", "add_to_cart", "purchase", "search")
_TYPE_NUMBERS: Final = {name: number for number, name in enumerate(EVENT_TYPES)}

_HUMAN: Final = 0x01
_CLAMPED: Final = 0x02

# Version byte, an array of two, a binary of 16 bytes.
_HEAD: Final = bytes((VERSION, 0x92, 0xC4, 16))
_ARRAY_16: Final = 0xDC  # functions.lua writes the same byte; change both together
_COUNT_BYTES: Final = 3


class StreamEvent(msgspec.Struct, frozen=True, gc=False):
    """One accepted event.

    `event_id`: UUIDv7, the client's own where it gave one, else minted here. `client_id`: 16 bytes, the id
    that the client gave where it is no UUIDv7. Times are Unix milliseconds: `occurred_ms` by the client,
    corrected and bounded, `received_ms` by the door. `clamped`: the client's time lay ahead, and the time of
    receipt stands instead. `metadata`: a JSON object. `country`: ISO 3166-1 alpha-2, or ``ZZ``.
    """

    event_id: bytes
    client_id: bytes | None
    type: str
    session_id: str
    user_id: str | None
    product_id: str | None
    url: str | None
    referrer: str | None
    metadata: bytes | None
    occurred_ms: int
    received_ms: int
    clamped: bool
    human: bool
    device: str
    country: str


_Piece: TypeAlias = tuple[
    int | Id,  # places from the base id, or the client's own UUIDv7
    Id | None,  # the client's id where it is no UUIDv7
    int,  # number of the type
    int,  # flags
    int,  # ms from receipt to occurrence: 0 where the client gave no time, else mostly negative
    str,  # session
    str | None,  # user
    str | None,  # product
    str | None,  # url
    str | None,  # referrer
    bytes | None,  # metadata
    str,  # device
    CountryCode,
]

_pack_piece: Final = msgspec.msgpack.Encoder().encode
_decode_body: Final = msgspec.msgpack.Decoder(
    tuple[Id, Annotated[list[_Piece], msgspec.Meta(min_length=1, max_length=MAX_PIECES)]]
).decode


def id_at_place(base: bytes, place: int) -> bytes:
    """The id that many places after a UUIDv7, of the same instant; counts in the last 4 random bytes."""
    return base[:12] + (int.from_bytes(base[12:], "big") + place & 0xFFFF_FFFF).to_bytes(4, "big")


def record_head(base: bytes) -> bytes:
    """What a record with this base id begins with; `base` carries the time of receipt."""
    return _HEAD + base


def encode_piece(event: StreamEvent, place: int | None) -> bytes:
    """The piece of an event. `place`: how far its id is from the base id; None for a client's own UUIDv7."""
    return _pack_piece(
        (
            event.event_id if place is None else place,
            event.client_id,
            _TYPE_NUMBERS[event.type],
            (_HUMAN if event.human else 0) | (_CLAMPED if event.clamped else 0),
            event.occurred_ms - event.received_ms,
            event.session_id,
            event.user_id,
            event.product_id,
            event.url,
            event.referrer,
            event.metadata,
            event.device,
            event.country,
        )
    )


def join_record(head: bytes, pieces: Sequence[bytes]) -> bytes:
    """The whole record; at least one piece, at most MAX_PIECES."""
    return b"".join((head, bytes((_ARRAY_16,)), len(pieces).to_bytes(2, "big"), *pieces))


def join_records(head: bytes, pieces: Sequence[bytes]) -> list[bytes]:
    """The pieces in as many records as their number and size demand; none for no pieces.

    A piece that alone is larger than MAX_RECORD_BYTES has a record of its own.
    """
    size = len(head) + _COUNT_BYTES + sum(map(len, pieces))
    if 0 < len(pieces) <= MAX_PIECES and size <= MAX_RECORD_BYTES:
        return [join_record(head, pieces)]
    records, first, size = [], 0, len(head) + _COUNT_BYTES
    for place, piece in enumerate(pieces):
        if place > first and (place - first == MAX_PIECES or size + len(piece) > MAX_RECORD_BYTES):
            records.append(join_record(head, pieces[first:place]))
            first, size = place, len(head) + _COUNT_BYTES
        size += len(piece)
    if first < len(pieces):
        records.append(join_record(head, pieces[first:]))
    return records


def decode_events(record: bytes) -> list[StreamEvent]:
    """The events of a record in order; raises UnknownVersion or MalformedRecord, nothing else."""
    if len(record) < len(_HEAD) + 16:
        raise MalformedRecord(f"a record of {len(record)} bytes is too short")
    if record[0] != VERSION:
        if record[0] == 0:
            raise MalformedRecord("record version 0 was never written")
        raise UnknownVersion(record[0])
    try:
        base, pieces = _decode_body(record[1:])
        received_ms = id_time_ms(base)
        return [_event(base, received_ms, piece) for piece in pieces]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, IndexError) as error:
        raise MalformedRecord(str(error)) from error


def _event(base: bytes, received_ms: int, piece: _Piece) -> StreamEvent:
    (
        place,
        client_id,
        number,
        flags,
        after_ms,
        session,
        user,
        product,
        url,
        referrer,
        metadata,
        device,
        country,
    ) = piece
    if number < 0 or flags & ~(_HUMAN | _CLAMPED):
        raise IndexError(f"type {number} with flags {flags:#04x}")
    return StreamEvent(
        id_at_place(base, place) if isinstance(place, int) else place,
        client_id,
        EVENT_TYPES[number],
        session,
        user,
        product,
        url,
        referrer,
        metadata,
        received_ms + after_ms,
        received_ms,
        flags & _CLAMPED != 0,
        flags & _HUMAN != 0,
        device,
        country,
    )
