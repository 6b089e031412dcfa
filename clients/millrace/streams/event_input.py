"""The one validation of events, for the edge's JSON and the server's gRPC alike: what is taken, and what not.

The rules for single fields are in `event_fields` and `event_metadata`, the shapes of a body in `event_body`;
what follows from several fields, and from the time of receipt, is here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import repeat
from typing import Any, Final, NamedTuple

import msgspec

from millrace.streams.event_body import MAX_EVENTS, Fields, check_number, read_body
from millrace.streams.event_fields import (
    ABSENT,
    ParsedEvent,
    SentEvent,
    check_fields,
    check_storable,
    check_url,
    unix_ms,
)
from millrace.streams.event_metadata import check_metadata, read_metadata
from millrace.streams.event_records import StreamEvent
from millrace.streams.event_verdicts import MalformedBody, Refused, Rejection
from millrace.streams.ids import id_bytes, id_bytes_at, id_time_ms

__all__ = [
    "MAX_EVENTS",
    "EventBatch",
    "MalformedBody",
    "NewEvent",
    "Origin",
    "Rejection",
    "read_batch",
    "read_events",
]

_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000
MAX_AGE_MS: Final = 30 * _DAY_MS
# An id may be dated ahead by more than a time: it is never corrected by the client's clock.
MAX_ID_AHEAD_MS: Final = _DAY_MS
MAX_AHEAD_MS: Final = 10 * _MINUTE_MS
# A smaller difference of the clocks is the time that the request took.
MIN_SKEW_MS: Final = 1_000


class Origin(msgspec.Struct, frozen=True, gc=False):
    """What the request says of who sent an event. `country`: ISO 3166-1 alpha-2, or ``ZZ``."""

    human: bool
    device: str
    country: str


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """An event that was taken. `place`: of its id after the base id, None for a client's own UUIDv7.
    `dedupe_id`: the 16 bytes of the id that the client gave, if any."""

    event: StreamEvent
    place: int | None
    dedupe_id: bytes | None


class EventBatch(NamedTuple):
    """What became of a request's events. `base` carries the time of receipt; `count`: events it held."""

    base: bytes
    events: list[NewEvent]
    rejected: list[Rejection]
    count: int  # type: ignore[assignment]  # a tuple's own method of this name is not missed


def read_batch(body: bytes, origin: Origin, *, now_ms: int, base: bytes | None = None) -> EventBatch:
    """The verdict on each event of a JSON body: one event, ``{"events": […], "sentAt": …}`` or a bare array.

    `base`: a UUIDv7 of the time `now_ms`, minted here when left out; the event at place n that brings no id
    has the id n places after it. Unknown members are ignored, null is absent, of repeated members the last
    one counts. Raises MalformedBody when nothing can be told of single events, and nothing else.
    """
    fields, sent_at_ms = read_body(body)
    # Escapes and bytes beyond ASCII alone can hide what a text must not contain.
    careful = not body.isascii() or b"\\u" in body
    return _judged(fields, repeat(origin), base or id_bytes_at(now_ms), sent_at_ms, careful)


def read_events(
    items: Sequence[Mapping[str, Any]],
    origins: Sequence[Origin],
    *,
    sent_at_ms: int | None,
    now_ms: int,
) -> EventBatch:
    """The verdicts on events that were parsed elsewhere: the same fields, names and rules as in JSON.

    Each item may have ``type``, ``id``, ``sessionId``, ``userId``, ``productId``, ``url``, ``referrer``,
    ``metadata`` (a dict) and ``timestamp`` (a datetime with its zone); `origins` has one for each. Raises
    MalformedBody for no events or more than MAX_EVENTS.
    """
    check_number(len(items))
    if len(origins) != len(items):
        raise ValueError(f"{len(items)} events with {len(origins)} origins")
    fields = [_checked(item) for item in items]
    return _judged(fields, origins, id_bytes_at(now_ms), sent_at_ms, careful=False)


def _checked(item: Mapping[str, Any]) -> Fields:
    try:
        return check_fields(item)
    except Refused as refused:
        return refused


def _judged(
    fields: Sequence[Fields],
    origins: Iterable[Origin],
    base: bytes,
    sent_at_ms: int | None,
    careful: bool,
) -> EventBatch:
    judge = _Judge(base, sent_at_ms, careful)
    events: list[NewEvent] = []
    rejected: list[Rejection] = []
    for place, (sent, origin) in enumerate(zip(fields, origins, strict=False)):
        try:
            events.append(judge.take(sent, origin, place))
        except Refused as refused:
            rejected.append(Rejection(place, refused.field, refused.reason))
    return EventBatch(base, events, rejected, len(fields))


class _Judge:
    """Judges the events of one request. `careful`: their texts may hold what typed decoding lets through."""

    def __init__(self, base: bytes, sent_at_ms: int | None, careful: bool) -> None:
        self._received_ms = received_ms = id_time_ms(base)
        skew_ms = 0 if sent_at_ms is None else received_ms - sent_at_ms
        self._skew_ms = skew_ms if abs(skew_ms) > MIN_SKEW_MS else 0
        self._careful = careful
        # As id_at_place counts, with the base taken apart once.
        self._prefix, self._low = base[:12], int.from_bytes(base[12:], "big")

    def take(self, sent: Fields, origin: Origin, place: int) -> NewEvent:
        """The event at that place of the request; raises Refused."""
        if isinstance(sent, Refused):
            raise sent
        if self._careful:
            _check_texts(sent)
        received_ms = self._received_ms
        own_id = None if sent.id is None else _client_id(sent.id, received_ms)
        event_id = None if own_id is None or not _is_uuid7(own_id) else own_id
        metadata = None if sent.metadata is ABSENT else _metadata(sent)
        occurred_ms, clamped = received_ms, False
        if sent.timestamp is not None:
            occurred_ms, clamped = _occurred(sent.timestamp, self._skew_ms, received_ms)
        return NewEvent(
            StreamEvent(
                event_id or self._prefix + (self._low + place & 0xFFFF_FFFF).to_bytes(4, "big"),
                None if event_id else own_id,
                sent.type,
                sent.session_id,
                sent.user_id,
                sent.product_id,
                # Browsers send "" for a referrer they do not have.
                sent.url or None,
                sent.referrer or None,
                metadata,
                occurred_ms,
                received_ms,
                clamped,
                origin.human,
                origin.device,
                origin.country,
            ),
            None if event_id else place,
            own_id,
        )


def _check_texts(sent: SentEvent) -> None:
    """What typed decoding lets through; for ASCII without escapes there is nothing."""
    check_storable(sent.session_id, "sessionId")
    for value, field in ((sent.user_id, "userId"), (sent.product_id, "productId")):
        if value is not None:
            check_storable(value, field)
    check_url(sent.url, "url")
    check_url(sent.referrer, "referrer")


def _client_id(text: str, received_ms: int) -> bytes:
    """The bytes of an id that a client gave; one that carries a time must lie where events are kept."""
    try:
        own_id = id_bytes(text)
    except ValueError:
        raise Refused("id", "not_a_uuid") from None
    if _is_uuid7(own_id) and not (
        received_ms - MAX_AGE_MS <= id_time_ms(own_id) <= received_ms + MAX_ID_AHEAD_MS
    ):
        raise Refused("id", "dated_outside_retention")
    return own_id


def _is_uuid7(value: bytes) -> bool:
    return value[6] >> 4 == 7 and value[8] >> 6 == 2


def _metadata(sent: SentEvent) -> bytes | None:
    purchase = sent.type == "purchase"
    if isinstance(sent, ParsedEvent):
        return check_metadata(sent.document, purchase=purchase)
    return read_metadata(bytes(sent.metadata), purchase=purchase)


def _occurred(timestamp: datetime, skew_ms: int, received_ms: int) -> tuple[int, bool]:
    """When it happened by our clock, and whether that had to be clamped; raises Refused."""
    occurred_ms = unix_ms(timestamp) + skew_ms
    if occurred_ms < received_ms - MAX_AGE_MS:
        raise Refused("timestamp", "too_old")
    if occurred_ms > received_ms + MAX_AHEAD_MS:
        return received_ms, True
    return occurred_ms, False
