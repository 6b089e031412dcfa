"""Struct, Value and ListValue: free-form JSON inside messages, both ways."""

from __future__ import annotations

import math
from collections.abc import Callable

from google.protobuf.struct_pb2 import ListValue, Struct, Value

from edge.rest.violations import InvalidValueError


def read_struct(value: object, message: Struct) -> None:
    """Fill from a JSON object. Raises `InvalidValueError`."""
    if type(value) is not dict:
        raise InvalidValueError("must be an object")
    fields = message.fields
    name = ""
    try:
        for name, member in value.items():
            read_value(member, fields[name])
    except InvalidValueError as error:
        raise error.under(name) from None


def read_list(value: object, message: ListValue) -> None:
    """Fill from a JSON array. Raises `InvalidValueError`."""
    if type(value) is not list:
        raise InvalidValueError("must be an array")
    try:
        for item in value:
            read_value(item, message.values.add())
    except InvalidValueError as error:
        raise error.under(f"[{len(message.values) - 1}]") from None


def read_value(value: object, message: Value) -> None:
    """Fill from any JSON value. Raises `InvalidValueError` for numbers past a double's range."""
    if type(value) is str:
        message.string_value = value
    elif value is None:
        message.null_value = 0  # type: ignore[assignment]  # NULL_VALUE, the enum's only number
    elif type(value) is bool:
        message.bool_value = value
    elif type(value) is dict:
        message.struct_value.SetInParent()
        read_struct(value, message.struct_value)
    elif type(value) is list:
        message.list_value.SetInParent()
        read_list(value, message.list_value)
    else:
        message.number_value = _number(value)


def write_struct(message: Struct) -> dict[str, object]:
    """A JSON object. Raises ValueError for NaN and infinities, which JSON values cannot hold."""
    return {name: write_value(value) for name, value in message.fields.items()}


def write_list(message: ListValue) -> list[object]:
    """A JSON array; raises as `write_struct` does."""
    return [write_value(value) for value in message.values]


def write_value(message: Value) -> object:
    """Any JSON value, null when no kind is set; raises as `write_struct` does."""
    kind = message.WhichOneof("kind")
    return _WRITERS[kind](message) if kind else None


def _number(value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]  # the JSON parser makes nothing else
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidValueError("is too large")
    return number


def _finite(message: Value) -> float:
    if not math.isfinite(message.number_value):
        raise ValueError("a JSON number must be finite")
    return message.number_value


_WRITERS: dict[str, Callable[[Value], object]] = {
    "null_value": lambda message: None,
    "bool_value": lambda message: message.bool_value,
    "string_value": lambda message: message.string_value,
    "number_value": _finite,
    "struct_value": lambda message: write_struct(message.struct_value),
    "list_value": lambda message: write_list(message.list_value),
}
