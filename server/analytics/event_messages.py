"""Single events and dead letters as the contract shows them, and events as services send them."""

from __future__ import annotations

import math
from datetime import UTC
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct, Value

from millrace.analytics.v1 import event_pb2
from millrace.analytics.v1.dead_letter_pb2 import DeadLetter as DeadLetterMessage
from millrace.streams.event_input import Origin
from server.analytics.event_lookup import EventFacts, FoundEvent
from server.analytics.messages import instant
from server.analytics.stored_events import DeadLetter
from server.analytics.tracking import Verdict


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
        item["metadata"] = _struct_object(event.metadata)
    if event.HasField("timestamp"):
        item["timestamp"] = event.timestamp.ToDatetime(UTC)
    return item


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


def _struct_object(struct: Struct) -> dict[str, Any]:
    return {name: _json_value(value) for name, value in struct.fields.items()}


def _json_value(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "number_value":
            return _json_number(value.number_value)
        case "struct_value":
            return _struct_object(value.struct_value)
        case "list_value":
            return [_json_value(item) for item in value.list_value.values]
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def _json_number(number: float) -> int | float:
    # Beyond it a double has lost the digits that an integer would claim to have.
    is_whole = math.isfinite(number) and number.is_integer() and abs(number) <= 2**53
    return int(number) if is_whole else number
