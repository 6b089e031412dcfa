"""The use case of finding one event: stored, waiting in a stream, dead, or nowhere."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from millrace.streams.event_records import StreamEvent, decode_events
from millrace.streams.keys import RECORD_FIELD, StreamKeys
from millrace.streams.records import MalformedRecord, UnknownVersion
from millrace.streams.redis_pipe import PipeliningRedis, RedisFailure
from server.analytics.errors import EventNotFound, EventSearchIncomplete, StreamUnavailable
from server.analytics.stored_events import DeadLetter, DeadLetterRepository, EventRepository
from server.db.engine import Sessions

# Entries looked through in each stream. Drained streams are shorter; an entry holds up to 100 events.
MOST_ENTRIES: Final = 20_000
_ENTRIES_AT_ONCE: Final = 500
_SHARED_BYTES: Final = 12


class Place(StrEnum):
    """Where an event is."""

    STORED = "STORED"
    WAITING = "WAITING"
    DEAD = "DEAD"


@dataclass(frozen=True, slots=True)
class EventFacts:
    """An event as it was accepted; `source` is known once it is stored."""

    event_id: uuid.UUID
    client_id: uuid.UUID | None
    type: str
    session_id: str
    user_id: str | None
    product_id: str | None
    url: str | None
    referrer: str | None
    metadata: dict[str, Any] | None
    occurred_at: datetime
    received_at: datetime
    is_clamped: bool
    is_human: bool
    device: str
    country: str
    source: str | None


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """An event, unless it cannot be read, and where it is: stored, in an entry of a stream, in a letter."""

    place: Place
    event: EventFacts | None
    entry_id: str | None = None
    letter: DeadLetter | None = None


class EventLookup:
    """Constructor: the session factory, and the streams of events."""

    def __init__(self, sessions: Sessions, redis: PipeliningRedis, keys: StreamKeys) -> None:
        self._sessions = sessions
        self._redis = redis
        self._streams = keys.all_events()

    async def find(self, event_id: uuid.UUID) -> FoundEvent:
        """Where the event is, by its own or its client's id.

        Raises EventNotFound; EventSearchIncomplete when it may wait behind more records than are searched;
        StreamUnavailable when it is not stored and Redis is away.
        """
        found = await self._stored(event_id)
        if found is not None:
            return found
        try:
            found, is_whole = await self._waiting(event_id.bytes)
        except RedisFailure as failure:
            raise StreamUnavailable from failure
        # A drain may have stored or buried it since we looked first.
        found = found or await self._stored(event_id) or await self._dead(event_id.bytes)
        if found is None:
            raise EventNotFound(str(event_id)) if is_whole else EventSearchIncomplete(MOST_ENTRIES)
        return found

    async def _stored(self, event_id: uuid.UUID) -> FoundEvent | None:
        async with self._sessions() as session:
            row = await EventRepository(session).find(event_id)
        if row is None:
            return None
        values = {name: getattr(row, name) for name in EventFacts.__dataclass_fields__}
        return FoundEvent(Place.STORED, EventFacts(**values))

    async def _waiting(self, event_id: bytes) -> tuple[FoundEvent | None, bool]:
        """The event if it waits, and whether every waiting record was looked at."""
        is_whole = True
        for stream in self._streams:
            seen = 0
            async for entry_id, record in self._entries(stream):
                seen += 1
                event = _event_in(record, event_id)
                if event is not None:
                    return FoundEvent(Place.WAITING, _facts(event), entry_id), True
            is_whole = is_whole and seen < MOST_ENTRIES
        return None, is_whole

    async def _entries(self, stream: bytes) -> AsyncIterator[tuple[str, bytes]]:
        start, seen = "-", 0
        while seen < MOST_ENTRIES:
            page = await self._redis.execute("XRANGE", stream, start, "+", "COUNT", _ENTRIES_AT_ONCE)
            for entry_id, fields in page:
                yield bytes(entry_id).decode(), _record(fields)
            if len(page) < _ENTRIES_AT_ONCE:
                return
            seen += len(page)
            start = "(" + bytes(page[-1][0]).decode()

    async def _dead(self, event_id: bytes) -> FoundEvent | None:
        streams = [stream.decode() for stream in self._streams]
        async with self._sessions() as session:
            letters = await DeadLetterRepository(session).about(event_id, streams)
        for letter in letters:
            event = _event_in(letter.record, event_id)
            if event is not None:
                return FoundEvent(Place.DEAD, _facts(event), letter.entry_id, letter)
        # What cannot be read may still be told apart by a whole id within it.
        unread = next((letter for letter in letters if event_id in letter.record), None)
        return None if unread is None else FoundEvent(Place.DEAD, None, unread.entry_id, unread)


def _record(fields: Iterable[Any]) -> bytes:
    values = list(fields)
    names = [bytes(name).decode(errors="replace") for name in values[::2]]
    return bytes(values[2 * names.index(RECORD_FIELD) + 1]) if RECORD_FIELD in names else b""


def _event_in(record: bytes, event_id: bytes) -> StreamEvent | None:
    """The record's event of that id; records that cannot hold it are not decoded."""
    if event_id[:_SHARED_BYTES] not in record:
        return None
    try:
        events = decode_events(record)
    except (UnknownVersion, MalformedRecord):
        return None
    return next((each for each in events if event_id in (each.event_id, each.client_id)), None)


def _facts(event: StreamEvent) -> EventFacts:
    return EventFacts(
        event_id=uuid.UUID(bytes=event.event_id),
        client_id=uuid.UUID(bytes=event.client_id) if event.client_id else None,
        type=event.type,
        session_id=event.session_id,
        user_id=event.user_id,
        product_id=event.product_id,
        url=event.url,
        referrer=event.referrer,
        metadata=json.loads(event.metadata) if event.metadata else None,
        occurred_at=_instant(event.occurred_ms),
        received_at=_instant(event.received_ms),
        is_clamped=event.clamped,
        is_human=event.human,
        device=event.device,
        country=event.country,
        source=None,
    )


def _instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
