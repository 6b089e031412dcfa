"""Messages of any type with chance values in them, edges of every range preferred."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from edge.rest.fields import descriptor_of, is_map, is_wrapper
from tests.unit.rest.private_pool import message_class

MAX_DEPTH = 4

_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_LETTERS = 'ab0 ":\\{}[],\n\t\x00\x7f\x9fäß€\u2028\ufeff\U0001f600'
_DOUBLES = (
    0.0,
    -0.0,
    1.0,
    -1.5,
    0.1,
    1e308,
    5e-324,
    1e16,
    123456789.0,
    2.0**63,
    float("nan"),
    float("inf"),
    -float("inf"),
)
_FLOATS = (0.0, -0.0, 1.0, 0.1, 1e-45, 3.4e38, 16777217.0, 1 / 3, float("nan"), float("inf"), -float("inf"))
_NANOS = (0, 1, 999, 1_000, 123_456, 1_000_000, 120_000_000, 123_456_000, 999_999_999)
_MIN_TIMESTAMP_S, _MAX_TIMESTAMP_S = -62_135_596_800, 253_402_300_799
_MAX_DURATION_S = 315_576_000_000
_PATHS = ("a", "display_name", "a.b_c.d", "x1", "very_long_path_of_words.and_more")
# What `Any` carries here: types with a JSON form of their own, and others.
_PACKED = (
    "millrace.kinds.v1.Scalars",
    "millrace.kinds.v1.Tree",
    "millrace.kinds.v1.WellKnown",
    "google.protobuf.Duration",
    "google.protobuf.Timestamp",
    "google.protobuf.FieldMask",
    "google.protobuf.Struct",
    "google.protobuf.Value",
    "google.protobuf.ListValue",
    "google.protobuf.Int64Value",
    "google.protobuf.BytesValue",
    "google.protobuf.Any",
)


def chance_of(name: str, seed: int) -> random.Random:
    """The same chance every time, so that a failing seed can be looked at again."""
    return random.Random(f"{name} {seed}")  # noqa: S311 - nothing secret


def random_message(chance: random.Random, full_name: str) -> Any:
    """A message of the private pool; required fields are set, others by chance."""
    message = message_class(full_name)()
    fill(chance, message, depth=0)
    return message


def fill(chance: random.Random, message: Any, depth: int) -> None:
    descriptor = descriptor_of(message)
    fill_known = _WELL_KNOWN.get(descriptor.full_name)
    if fill_known is not None:
        fill_known(chance, message, depth)
        return
    likely = 1.0 if is_wrapper(descriptor) else 0.6 if depth < 2 else 0.3
    for field in descriptor.fields:
        if field.is_required or (chance.random() < likely and not _too_deep(field, depth)):
            _fill_field(chance, message, field, depth)


def _too_deep(field: FieldDescriptor, depth: int) -> bool:
    return field.message_type is not None and depth >= MAX_DEPTH


def _fill_field(chance: random.Random, message: Any, field: FieldDescriptor, depth: int) -> None:
    if is_map(field):
        _fill_map(chance, message, field, depth)
    elif field.is_repeated:
        for _ in range(chance.randrange(4)):
            held = getattr(message, field.name)
            if field.message_type is not None:
                fill(chance, held.add(), depth + 1)
            else:
                held.append(_scalar(chance, field))
    elif field.message_type is not None:
        held = getattr(message, field.name)
        held.SetInParent()
        fill(chance, held, depth + 1)
    else:
        setattr(message, field.name, _scalar(chance, field))


def _fill_map(chance: random.Random, message: Any, field: FieldDescriptor, depth: int) -> None:
    assert field.message_type is not None
    key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
    held = getattr(message, field.name)
    for _ in range(chance.randrange(4)):
        if value.message_type is not None:
            fill(chance, held[_scalar(chance, key)], depth + 1)
        else:
            held[_scalar(chance, key)] = _scalar(chance, value)


def _scalar(chance: random.Random, field: FieldDescriptor) -> Any:
    if field.enum_type is not None:
        return _enum(chance, field.enum_type)
    if field.cpp_type in _RANGES:
        low, high = _RANGES[field.cpp_type]
        return chance.choice([low, high, 0, 1, chance.randint(low, high), chance.randint(low, high)])
    return _OTHERS[field.type](chance)


def _enum(chance: random.Random, enum: EnumDescriptor) -> int:
    if enum.full_name == "google.protobuf.NullValue":
        return 0
    known = [value.number for value in enum.values]
    unknown = [] if enum.is_closed else [2**31 - 1, -(2**31), 77]
    return chance.choice(known + unknown)


def text(chance: random.Random) -> str:
    return "".join(chance.choices(_LETTERS, k=chance.randrange(8)))


def _float(chance: random.Random) -> float:
    # json_format refuses what it writes for the largest floats; random bits seldom are one.
    bits: float = struct.unpack("<f", chance.randbytes(4))[0]
    return chance.choice([*_FLOATS, bits if abs(bits) < 3.4e38 else 0.0, chance.uniform(-1, 1)])


def _double(chance: random.Random) -> float:
    bits: float = struct.unpack("<d", chance.randbytes(8))[0]
    return chance.choice([*_DOUBLES, bits, chance.uniform(-1e6, 1e6)])


_OTHERS: dict[int, Callable[[random.Random], Any]] = {
    FieldDescriptor.TYPE_DOUBLE: _double,
    FieldDescriptor.TYPE_FLOAT: _float,
    FieldDescriptor.TYPE_BOOL: lambda chance: chance.random() < 0.5,
    FieldDescriptor.TYPE_STRING: text,
    FieldDescriptor.TYPE_BYTES: lambda chance: chance.randbytes(chance.randrange(6)),
}


def _timestamp(chance: random.Random, message: Any, depth: int) -> None:
    ends = (_MIN_TIMESTAMP_S, _MAX_TIMESTAMP_S, 0, -1, 951_782_400)
    message.seconds = chance.choice([*ends, chance.randint(_MIN_TIMESTAMP_S, _MAX_TIMESTAMP_S)])
    message.nanos = chance.choice(_NANOS)


def _duration(chance: random.Random, message: Any, depth: int) -> None:
    seconds = chance.choice([0, 1, _MAX_DURATION_S, chance.randrange(_MAX_DURATION_S)])
    nanos = 0 if seconds == _MAX_DURATION_S else chance.choice(_NANOS)
    sign = chance.choice([1, -1])
    message.seconds, message.nanos = sign * seconds, sign * nanos


def _field_mask(chance: random.Random, message: Any, depth: int) -> None:
    message.paths.extend(chance.sample(_PATHS, chance.randrange(3)))


def _struct(chance: random.Random, message: Any, depth: int) -> None:
    for _ in range(chance.randrange(4)):
        _value(chance, message.fields[chance.choice(["fields", "values", text(chance)])], depth + 1)


def _list_value(chance: random.Random, message: Any, depth: int) -> None:
    for _ in range(chance.randrange(4)):
        _value(chance, message.values.add(), depth + 1)


def _value(chance: random.Random, message: Any, depth: int) -> None:
    """Always of some kind: JSON has nothing for a value of none."""
    kind = chance.randrange(4 if depth > MAX_DEPTH else 6)
    if kind == 0:
        message.null_value = 0
    elif kind == 1:
        message.bool_value = chance.random() < 0.5
    elif kind == 2:
        message.string_value = text(chance)
    elif kind == 3:
        message.number_value = chance.choice([0.0, 1.0, -2.5, 1e300, 123.0, chance.uniform(-1e6, 1e6)])
    elif kind == 4:
        message.struct_value.SetInParent()
        _struct(chance, message.struct_value, depth)
    else:
        message.list_value.SetInParent()
        _list_value(chance, message.list_value, depth)


def _any(chance: random.Random, message: Any, depth: int) -> None:
    if depth > MAX_DEPTH or chance.random() < 0.1:
        return
    name = chance.choice(_PACKED)
    inner = message_class(name)()
    fill(chance, inner, depth + 1)
    message.type_url = f"{chance.choice(['type.googleapis.com', 'example.com/types'])}/{name}"
    message.value = inner.SerializeToString(deterministic=True)


_WELL_KNOWN: dict[str, Callable[[random.Random, Any, int], None]] = {
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Duration": _duration,
    "google.protobuf.FieldMask": _field_mask,
    "google.protobuf.Struct": _struct,
    "google.protobuf.Value": _value,
    "google.protobuf.ListValue": _list_value,
    "google.protobuf.Any": _any,
}
