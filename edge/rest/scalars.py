"""Strict scalar values: from JSON (`json_scalar`) and from text in a path or query (`text_scalar`).

Stricter than Python's own `int` and `float`: ASCII digits only, no underscores, no spaces, exact ranges.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from edge.rest.violations import InvalidValueError

NULL_VALUE = "google.protobuf.NullValue"

_INTEGER = re.compile(r"-?[0-9]{1,40}", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,400}(?:\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,9})?", re.ASCII)
_BASE64 = re.compile(r"([A-Za-z0-9+/]*|[A-Za-z0-9_-]*)(={0,2})", re.ASCII)
# The last digit, by the padding it needs, carries two or four bits that belong to no byte: zeros.
_LAST_DIGITS = {1: "AEIMQUYcgkosw048", 2: "AQgw"}
_TO_STANDARD_ALPHABET = str.maketrans("-_", "+/")
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
# Halfway between the largest 32-bit float and the next one there would be: from here on, rounding overflows.
_FLOAT32_OVERFLOWS_FROM = float.fromhex("0x1.ffffffp127")
_INEXACT_DOUBLES_FROM = 2**53

_INT32 = (-(2**31), 2**31 - 1)
_INT64 = (-(2**63), 2**63 - 1)
_UINT32 = (0, 2**32 - 1)
_UINT64 = (0, 2**64 - 1)

_INTEGER_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: _INT32,
    FieldDescriptor.CPPTYPE_INT64: _INT64,
    FieldDescriptor.CPPTYPE_UINT32: _UINT32,
    FieldDescriptor.CPPTYPE_UINT64: _UINT64,
}


def json_scalar(field: FieldDescriptor) -> Callable[[object], object]:
    """A converter from a JSON value to what the field holds. It raises `InvalidValueError`."""
    if field.cpp_type in _INTEGER_RANGES:
        return _integer_from_json(*_INTEGER_RANGES[field.cpp_type])
    if field.enum_type is not None:
        return _enum_from_json(field.enum_type)
    return _FROM_JSON[field.type]


def text_scalar(field: FieldDescriptor) -> Callable[[str], object]:
    """A converter from path or query text to what the field holds. It raises `InvalidValueError`."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return bool_from_text
    if field.enum_type is not None:
        return _enum_from_text(field.enum_type)
    if field.type == FieldDescriptor.TYPE_STRING:
        return str
    # The rest has one spelling in JSON strings and in URLs.
    return json_scalar(field)


def bool_from_text(text: str) -> bool:
    """`true` or `false`, nothing else."""
    if text not in {"true", "false"}:
        raise InvalidValueError("must be true or false")
    return text == "true"


def bytes_from_text(text: str) -> bytes:
    """Standard or URL-safe base64, padded right or not at all, as an encoder writes it."""
    found = _BASE64.fullmatch(text)
    if not found:
        raise InvalidValueError("must be base64")
    digits, padding = found.groups()
    owed = -len(digits) % 4
    if owed == 3 or len(padding) not in {0, owed}:
        raise InvalidValueError("must be base64 of a whole number of bytes")
    if owed and digits[-1] not in _LAST_DIGITS[owed]:
        raise InvalidValueError("must be base64 without bits left over")
    return base64.b64decode(digits.translate(_TO_STANDARD_ALPHABET) + "=" * owed)


def _integer_from_json(low: int, high: int) -> Callable[[object], int]:
    """Whole numbers from `low` to `high`, as a JSON number or as decimal digits in a string."""

    def convert(value: object) -> int:
        if type(value) is str:
            # The pattern takes half of the time; most numbers need none.
            if not (value.isascii() and value.isdigit() and len(value) < 20) and not _INTEGER.fullmatch(
                value
            ):
                raise InvalidValueError("must be a whole number in decimal digits")
            number = int(value)
        else:
            number = value if type(value) is int else _whole(value)
        if low <= number <= high:
            return number
        raise InvalidValueError(f"must be from {low} to {high}")

    return convert


def _whole(value: object) -> int:
    """A JSON number with a fraction or exponent that is whole all the same: 1.0, 1e3."""
    if type(value) is not float or not value.is_integer():
        raise InvalidValueError("must be a whole number")
    if abs(value) >= _INEXACT_DOUBLES_FROM:
        # The digits sent may already be lost.
        raise InvalidValueError("must be written without fraction or exponent")
    return int(value)


def _double_from_json(value: object) -> float:
    if type(value) is float or type(value) is int:
        number = _as_double(value)
    elif type(value) is str and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    elif type(value) is str and _NUMBER.fullmatch(value):
        number = float(value)
    else:
        raise InvalidValueError("must be a number")
    if math.isinf(number):
        raise InvalidValueError("is too large")
    return number


def _as_double(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _float32_from_json(value: object) -> float:
    number = _double_from_json(value)
    if math.isfinite(number) and abs(number) >= _FLOAT32_OVERFLOWS_FROM:
        raise InvalidValueError("is too large for a 32-bit float")
    return number


def _bool_from_json(value: object) -> bool:
    if type(value) is not bool:
        raise InvalidValueError("must be true or false")
    return value


def _string_from_json(value: object) -> str:
    if type(value) is not str:
        raise InvalidValueError("must be a string")
    return value


def _bytes_from_json(value: object) -> bytes:
    if type(value) is not str:
        raise InvalidValueError("must be a base64 string")
    return bytes_from_text(value)


_FROM_JSON: dict[int, Callable[[object], object]] = {
    FieldDescriptor.TYPE_DOUBLE: _double_from_json,
    FieldDescriptor.TYPE_FLOAT: _float32_from_json,
    FieldDescriptor.TYPE_BOOL: _bool_from_json,
    FieldDescriptor.TYPE_BYTES: _bytes_from_json,
    FieldDescriptor.TYPE_STRING: _string_from_json,
}


def _enum_from_json(enum: EnumDescriptor) -> Callable[[object], int]:
    """Names, or whole numbers; an open enum takes numbers that it has no name for."""
    numbers = {value.name: value.number for value in enum.values}
    known = frozenset(numbers.values())
    is_null = enum.full_name == NULL_VALUE
    from_number = _integer_from_json(*_INT32)

    def convert(value: object) -> int:
        if type(value) is str and value in numbers:
            return numbers[value]
        if value is None and is_null:
            return 0
        if type(value) is int or type(value) is float:
            number = from_number(value)
            if number in known or not enum.is_closed:
                return number
        raise InvalidValueError("must be one of " + ", ".join(list(numbers)[:20]))

    return convert


def _enum_from_text(enum: EnumDescriptor) -> Callable[[str], int]:
    from_json = _enum_from_json(enum)

    def convert(text: str) -> int:
        return from_json(int(text) if _INTEGER.fullmatch(text) else text)

    return convert
