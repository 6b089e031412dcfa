"""`POST /api/v1/analytics/events` in the document: what an event may say, and what becomes of it.

The rules themselves are in `millrace.streams.event_input`.
"""

from __future__ import annotations

from typing import Any, Final

from edge.openapi.problems import header, refusals
from edge.openapi.shapes import Schema, nullable, reference

EVENTS: Final = {"name": "Events", "description": "Where a shop's events come in."}

_EXAMPLE: Final = {
    "type": "product_view",
    "sessionId": "s-8c1f",
    "productId": "demo-01",
    "url": "https://shop.example/p/1?utm_source=newsletter",
}


def take_events() -> dict[str, Any]:
    return {
        "operationId": "Edge_TakeEvents",
        "tags": [EVENTS["name"]],
        "summary": "Takes events of shoppers",
        "description": (
            "Takes one event, an array of them, or an object with `events`; up to 500 and 1 MiB, also when "
            "inflated. Every event is judged by itself. The answer comes once the good ones are durable. The "
            "same `id` counts once, so give one wherever you may send an event twice. Unknown members are "
            "ignored, the last of two equal ones counts, and null is as good as absent."
        ),
        "requestBody": {
            "required": True,
            "description": "JSON, under either type; plain or with `Content-Encoding: gzip`.",
            "content": {
                "application/json": {"schema": _body(), "example": _EXAMPLE},
                "text/plain": {
                    "schema": {
                        "type": "string",
                        "contentMediaType": "application/json",
                        "contentSchema": _body(),
                        "description": "The same, as `navigator.sendBeacon` sends it.",
                    }
                },
            },
        },
        "responses": {
            "202": {
                "description": "At least one event was accepted or known already.",
                "headers": header("X-Request-Id"),
                "content": {"application/json": {"schema": _acceptance()}},
            },
            "400": {
                "description": "The body is malformed, or every event in it was rejected.",
                "headers": header("X-Request-Id"),
                "content": {"application/problem+json": {"schema": _nothing_accepted()}},
            },
            **refusals(["408", "413", "415", "429", "503", "default"], {}),
        },
        "security": [],
    }


def _body() -> Schema:
    several: Schema = {
        "type": "array",
        "items": _unchecked(_event()),
        "minItems": 1,
        "maxItems": 500,
        "description": "Events, each to the rules of a single one; one that breaks them stops no other.",
    }
    batch: Schema = {
        "type": "object",
        "properties": {
            "events": several,
            "sentAt": _instant(
                "The client's clock at sending; its difference to ours, over a second, is added to times."
            ),
        },
        "required": ["events"],
    }
    return {"anyOf": [_event(), batch, several]}


def _event() -> Schema:
    return {
        "type": "object",
        "properties": {
            "type": {
                "enum": ["page_view", "product_view", "click", "add_to_cart", "purchase"],
                "description": "What happened.",
            },
            "sessionId": _name("The visit it belongs to."),
            "id": nullable(
                {
                    "type": "string",
                    "format": "uuid",
                    "description": (
                        "Any UUID; a UUIDv7 dated within the last 30 days and the next one. Minted if absent."
                    ),
                }
            ),
            "userId": _optional_name("The customer, once known."),
            "productId": _optional_name("The product it is about."),
            "url": _address("The page; `utm_source` and click ids in it decide the traffic source."),
            "referrer": _address("Where the visitor came from."),
            "metadata": _metadata(),
            "timestamp": _instant(
                "When it happened; now if absent. Over 10 minutes ahead, the time of receipt stands instead. "
                "Over 30 days old, it is rejected."
            ),
        },
        "required": ["type", "sessionId"],
    }


def _unchecked(event: Schema) -> Schema:
    """The same members in words alone: a batch is no worse for one that breaks a rule."""
    words = {name: {"description": member["description"]} for name, member in event["properties"].items()}
    return {"type": "object", "properties": words}


def _metadata() -> Schema:
    return {
        "type": ["object", "null"],
        "maxProperties": 32,
        "description": "Anything else, up to 4 levels and 8 KiB.",
        "properties": {
            "amount": {"type": "integer", "minimum": 0, "description": "Of a purchase, in minor units."},
            "currency": {"type": "string", "description": "Of the amount, ISO 4217.", "example": "EUR"},
            "orderId": {"type": "string"},
            "quantity": {"type": "integer", "minimum": 1},
        },
    }


def _acceptance() -> Schema:
    count: Schema = {"type": "integer", "minimum": 0}
    return {
        "type": "object",
        "properties": {
            "accepted": count | {"description": "New events, durable now."},
            "duplicates": count | {"description": "Events whose id was known; they were left out."},
            "rejected": _rejected(),
        },
        "required": ["accepted", "duplicates", "rejected"],
    }


def _nothing_accepted() -> Schema:
    return {
        "allOf": [
            reference("Problem"),
            {"type": "object", "properties": {"rejected": _rejected()}, "required": ["rejected"]},
        ]
    }


def _rejected() -> Schema:
    rejection: Schema = {
        "type": "object",
        "properties": {
            "index": {"type": "integer", "minimum": 0, "description": "Its place in the body."},
            "field": {"type": "string", "description": "The member at fault; `body` for the whole."},
            "reason": {"type": "string", "description": "A code, such as `required` or `too_old`."},
        },
        "required": ["index", "field", "reason"],
    }
    return {"type": "array", "items": rejection}


def _name(words: str) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": 128, "description": words}


def _optional_name(words: str) -> Schema:
    return nullable(_name(words))


def _instant(words: str) -> Schema:
    return nullable({"type": "string", "format": "date-time", "description": words})


def _address(words: str) -> Schema:
    return nullable({"type": "string", "maxLength": 2048, "description": f"{words} Up to 2,048 bytes."})
