"""JSON objects out of `google.protobuf.Struct`, whose every number is a double."""

from __future__ import annotations

import math
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value


class NotFinite(ValueError):  # noqa: N818 - it names what is so
    """A number is NaN or infinite, which JSON cannot hold."""


def struct_object(struct: Struct, *, finite: bool = True) -> dict[str, Any]:
    """The object, whole numbers as such. Raises NotFinite unless such numbers are left as they are."""
    return {name: _json_value(value, finite) for name, value in struct.fields.items()}


def _json_value(value: Value, finite: bool) -> Any:
    match value.WhichOneof("kind"):
        case "number_value":
            return _json_number(value.number_value, finite)
        case "struct_value":
            return struct_object(value.struct_value, finite=finite)
        case "list_value":
            return [_json_value(item, finite) for item in value.list_value.values]
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def _json_number(number: float, finite: bool) -> int | float:
    if not math.isfinite(number):
        if finite:
            raise NotFinite
        return number
    # Beyond it a double has lost the digits that an integer would claim to have.
    return int(number) if number.is_integer() and abs(number) <= 2**53 else number
