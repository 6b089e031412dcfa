"""The messages whose JSON form is not an object of their fields: times, masks, free-form JSON, wrappers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor

from edge.openapi.rules import Rules
from edge.openapi.shapes import Form, Schema
from edge.rest.fields import ANY, DURATION, FIELD_MASK, TIMESTAMP, is_wrapper
from edge.rest.spelling import json_path

EMPTY = "google.protobuf.Empty"

_TIMESTAMP = (
    "^(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?"
    "(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$"
)
# 10,000 years have twelve digits of seconds, but not all of those are fewer; eleven digits are promised.
_ACCEPTED_DURATION = "^-?[0-9]{1,11}(?:\\.[0-9]{1,9})?s$"
_ANSWERED_DURATION = "^-?[0-9]{1,12}(?:\\.[0-9]{1,9})?s$"
_MASK_PATH = "[A-Za-z][A-Za-z0-9]*(?:\\.[A-Za-z][A-Za-z0-9]*)*"


def is_well_known(message: Descriptor) -> bool:
    return message.full_name in _SCHEMAS or message.full_name == FIELD_MASK or is_wrapper(message)


def well_known_schema(message: Descriptor, rules: Rules, form: Form) -> Schema:
    """The schema of a well-known message that is no wrapper."""
    if message.full_name == FIELD_MASK:
        return mask_schema(rules.value("in") or ())
    accepted, answered = _SCHEMAS[message.full_name]
    return dict(answered if form is Form.OUTPUT else accepted)


def mask_schema(paths: Sequence[str] = ()) -> Schema:
    """A field mask, as text; of these proto paths and what lies below them, or of any."""
    if not paths:
        return {"type": "string", "pattern": f"^(?:{_MASK_PATH}(?:,{_MASK_PATH})*)?$"}
    known = "|".join(json_path(path).replace(".", "\\.") for path in paths)
    return {"type": "string", "pattern": f"^(?:(?:{known})(?:,(?:{known}))*)?$"}


def rules_in_words(message: Descriptor, rules: Rules) -> list[str]:
    """What the rules of times and durations demand; JSON Schema has no keywords for it."""
    if message.full_name not in {TIMESTAMP, DURATION}:
        return []
    said = [
        f"Must be {words} {_spelled(rules.value(name))}."
        for name, words in _COMPARISONS.items()
        if rules.value(name) is not None
    ]
    said += ["Must lie in the past."] if rules.value("lt_now") else []
    said += ["Must lie in the future."] if rules.value("gt_now") else []
    within = rules.value("within")
    said += [f"Must lie within {_spelled(within)} of now."] if within is not None else []
    return said


def _spelled(value: Any) -> str:
    values = value if isinstance(value, list) else [value]
    return ", ".join(f"`{one.ToJsonString()}`" for one in values)


_COMPARISONS = {
    "const": "exactly",
    "lt": "less than",
    "lte": "at most",
    "gt": "more than",
    "gte": "at least",
    "in": "one of",
    "not_in": "none of",
}
_ANY_OBJECT: Schema = {"type": "object", "properties": {"@type": {"type": "string"}}}
# Full name -> what is accepted, what is answered.
_SCHEMAS: dict[str, tuple[Schema, Schema]] = {
    TIMESTAMP: (
        {"type": "string", "format": "date-time", "pattern": _TIMESTAMP},
        {"type": "string", "format": "date-time"},
    ),
    DURATION: (
        {"type": "string", "pattern": _ACCEPTED_DURATION},
        {"type": "string", "pattern": _ANSWERED_DURATION},
    ),
    EMPTY: ({"type": "object", "additionalProperties": False}, {"type": "object"}),
    "google.protobuf.Struct": ({"type": "object"}, {"type": "object"}),
    "google.protobuf.Value": ({}, {}),
    "google.protobuf.ListValue": ({"type": "array", "items": {}}, {"type": "array", "items": {}}),
    ANY: (_ANY_OBJECT, _ANY_OBJECT),
}
