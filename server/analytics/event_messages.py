"""Single events and dead letters as the contract shows them, and events as services send them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

from millrace.analytics.v1 import analytics_service_pb2, event_pb2
from millrace.analytics.v1.dead_letter_pb2 import DeadLetter as DeadLetterMessage
from millrace.streams.event_input import Origin
from server.analytics.errors import refused_field
from server.analytics.event_lookup import EventFacts, FoundEvent
from server.analytics.messages import instant
from server.analytics.stored_events import DeadLetter
from server.analytics.tracking import Verdict
from server.rpc.structs import struct_object


def location_message(found: FoundEvent) -> event_pb2.EventLocation:
    """Where an event is."""
    return event_pb2.EventLocation(
        state=event_pb2.EventLocation.State.Value(found.place),
        event=None if found.event is None else _event(found.event),
        entry_id=found.entry_id,
        dead_reason=found.letter.reason if found.letter else None,
        dead_detail=found.letter.detail if found.letter else None,
    )


def letter_message(letter: DeadLetter) -> DeadLetterMessage:
    """A dead letter, with its record."""
    return DeadLetterMessage(
        stream=letter.stream,
        entry_id=letter.entry_id,
        position=letter.position,
        reason=letter.reason,
        detail=letter.detail,
        died_at=instant(letter.died_at),
        record=letter.record,
    )


def result_message(verdict: Verdict) -> event_pb2.TrackedEventResult:
    """What became of one event."""
    return event_pb2.TrackedEventResult(
        outcome=event_pb2.TrackedEventResult.Outcome.Value(verdict.outcome),
        event_id=verdict.event_id,
        field=verdict.field,
        reason=verdict.reason,
    )


def read_tracked(event: event_pb2.TrackedEvent) -> dict[str, Any]:
    """An event under the names that browsers use; what is empty was not given."""
    texts = {
        "type": event.type,
        "id": event.id,
        "sessionId": event.session_id,
        "userId": event.user_id,
        "productId": event.product_id,
        "url": event.url,
        "referrer": event.referrer,
    }
    item: dict[str, Any] = {name: text for name, text in texts.items() if text}
    if event.HasField("metadata"):
        item["metadata"] = struct_object(event.metadata, finite=False)
    if event.HasField("timestamp"):
        item["timestamp"] = _instant(event.timestamp)
    return item


def read_sent_at(request: analytics_service_pb2.TrackEventsRequest) -> int | None:
    """The sender's clock in Unix milliseconds, None when unset; raises InvalidArgument for no instant."""
    if not request.HasField("sent_at"):
        return None
    sent_at = _instant(request.sent_at)
    if isinstance(sent_at, str):
        raise refused_field("sent_at", "must be an instant between the years 1 and 9999")
    return request.sent_at.ToMilliseconds()


def read_origin(event: event_pb2.TrackedEvent) -> Origin:
    """Who an event is of, as its sender says."""
    return Origin(human=not event.bot, device=event.device or "other", country=event.country or "ZZ")


def _event(event: EventFacts) -> event_pb2.Event:
    message = event_pb2.Event(
        event_id=str(event.event_id),
        client_id=None if event.client_id is None else str(event.client_id),
        type=event.type,
        session_id=event.session_id,
        user_id=event.user_id,
        product_id=event.product_id,
        url=event.url,
        referrer=event.referrer,
        occurred_at=instant(event.occurred_at),
        received_at=instant(event.received_at),
        clamped=event.is_clamped,
        bot=not event.is_human,
        device=event.device,
        country=event.country,
        source=event.source,
    )
    if event.metadata is not None:
        json_format.ParseDict(event.metadata, message.metadata)
    return message


def _instant(timestamp: Timestamp) -> datetime | str:
    """The instant; for one that is none a text, which the rules for events refuse by its field's name."""
    try:
        return timestamp.ToDatetime(UTC)
    except (ValueError, OverflowError):
        return "out of range"
