"""Examples that the rules of a field give, as JSON values."""

from __future__ import annotations

import base64
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from edge.openapi.rules import Rules


def examples_of(field: FieldDescriptor, rules: Rules) -> list[Any]:
    """The examples of a singular field; empty when there are none."""
    given = rules.value("example")
    if given is None or field.is_repeated:
        return []
    return [_spelled(field, value) for value in given]


def _spelled(field: FieldDescriptor, value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if hasattr(value, "ToJsonString"):
        return value.ToJsonString()
    if field.enum_type is not None and value in field.enum_type.values_by_number:
        return field.enum_type.values_by_number[value].name
    return value
