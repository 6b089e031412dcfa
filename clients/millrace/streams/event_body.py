"""The shapes of a body with events: takes it apart into the fields of each event.

A body is decoded whole with the types of its fields; only when that fails, event by event, so that each has a
verdict of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from millrace.streams.event_fields import ABSENT, SentEvent, parse_instant, read_fields, unix_ms
from millrace.streams.event_json import without_depths, without_half_pairs
from millrace.streams.event_verdicts import MalformedBody, Refused

MAX_EVENTS: Final = 500

# Of one event: what it holds, or what is wrong with it.
Fields: TypeAlias = SentEvent | Refused


class _Envelope(msgspec.Struct, rename="camel", gc=False):
    events: list[SentEvent]
    sent_at: msgspec.Raw = ABSENT


class _RawEnvelope(msgspec.Struct, rename="camel", gc=False):
    events: msgspec.Raw = ABSENT
    sent_at: msgspec.Raw = ABSENT


class _Lone(SentEvent, gc=False):
    """A body that is an event, unless it has the member `events` after all."""

    events: msgspec.Raw = ABSENT


_decode_lone: Final = msgspec.json.Decoder(_Lone).decode
_decode_envelope: Final = msgspec.json.Decoder(_Envelope).decode
_decode_list: Final = msgspec.json.Decoder(list[SentEvent]).decode
_decode_event: Final = msgspec.json.Decoder(SentEvent).decode
_split_envelope: Final = msgspec.json.Decoder(_RawEnvelope).decode
_split_list: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_body(body: bytes) -> tuple[Sequence[Fields], int | None]:
    """The fields of each event, 1 to MAX_EVENTS of them, and when the client says that it sent them.

    Raises MalformedBody and nothing else.
    """
    fields, sent_at = _typed(body) or _one_by_one(body)
    check_number(len(fields))
    return fields, _sent_at_ms(sent_at)


def check_number(events: int) -> None:
    """Raises MalformedBody for no events and for too many."""
    if not 1 <= events <= MAX_EVENTS:
        raise MalformedBody("events", "too_many" if events else "empty")


def _typed(body: bytes) -> tuple[Sequence[Fields], bytes] | None:
    """The fields of a body in which every event has the right types, and `sentAt`; None for others."""
    try:
        if body.lstrip()[:1] != b"{":
            return _decode_list(body), b"null"
        if b'"events"' in body:
            envelope = _decode_envelope(body)
            return envelope.events, bytes(envelope.sent_at)
        lone = _decode_lone(body)
        return None if bytes(lone.events) != b"null" else ([lone], b"null")
    except _UNREADABLE:
        return None


def _one_by_one(body: bytes) -> tuple[Sequence[Fields], bytes]:
    """The fields of each event of any body, or why they cannot be had, and `sentAt`."""
    readable = body
    while True:
        try:
            items, sent_at = _split(readable)
            break
        except RecursionError:
            mended = without_depths(readable)
        except msgspec.DecodeError:
            mended = without_half_pairs(readable)
        if mended == readable:
            raise MalformedBody("", "malformed")
        readable = mended
    return [_read(item) for item in items[: MAX_EVENTS + 1]], sent_at


def _split(body: bytes) -> tuple[Sequence[msgspec.Raw], bytes]:
    """The events of a body, not looked into, and `sentAt`; raises DecodeError or RecursionError."""
    first = body.lstrip()[:1]
    if first == b"[":
        return _split_list(body), b"null"
    if first != b"{":
        raise MalformedBody("", "malformed")
    envelope = _split_envelope(body)
    events = bytes(envelope.events)
    if events == b"null":
        return [msgspec.Raw(body.strip())], b"null"
    if not events.startswith(b"["):
        raise MalformedBody("events", "wrong_type")
    return _split_list(events), bytes(envelope.sent_at)


def _read(item: msgspec.Raw) -> Fields:
    try:
        return _decode_event(item)
    except _UNREADABLE:
        pass
    try:
        return read_fields(bytes(item))
    except Refused as refused:
        return refused


def _sent_at_ms(raw: bytes) -> int | None:
    if raw == b"null":
        return None
    try:
        return unix_ms(parse_instant(msgspec.json.decode(raw, type=str)))
    except (*_UNREADABLE, Refused):
        raise MalformedBody("sentAt", "not_a_time") from None
