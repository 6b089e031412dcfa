"""Messages as proto3 JSON: one writer per message type, compiled once from its descriptor.

Writers make values for the msgspec encoder, which spells bytes as base64 and integer keys as strings itself.
Fields without presence are always written; others only when set. Reading is `json_reader`'s work.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import msgspec
from google.protobuf import any_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message

from edge.rest.fields import ANY, DURATION, FIELD_MASK, TIMESTAMP, descriptor_of, is_map, is_wrapper
from edge.rest.masks import write_field_mask
from edge.rest.scalars import NULL_VALUE
from edge.rest.structs import write_list, write_struct, write_value
from edge.rest.times import write_duration, write_timestamp

# Turns a field's value, or a whole message, into what the JSON encoder writes.
Writer = Callable[[Any], object]

_WELL_KNOWN: dict[str, Writer] = {
    TIMESTAMP: write_timestamp,
    DURATION: write_duration,
    FIELD_MASK: write_field_mask,
    "google.protobuf.Struct": write_struct,
    "google.protobuf.Value": write_value,
    "google.protobuf.ListValue": write_list,
}

encode_json: Callable[[object], bytes] = msgspec.json.Encoder().encode


class JsonWriters:
    """The compiled writers of one gateway, by message type."""

    def __init__(self, pool: DescriptorPool | None = None) -> None:
        self._pool = pool or descriptor_pool.Default()  # where the types inside `Any` are looked up
        self._writers: dict[Descriptor, Writer] = {}

    def render(self, message: Message) -> bytes:
        """The message as JSON text. Raises ValueError for what JSON cannot hold: a time out of range."""
        return encode_json(self.of(descriptor_of(message))(message))

    def renderer(self, descriptor: Descriptor) -> Callable[[Message], bytes]:
        """`render` for messages of one type, its writer looked up once."""
        write = self.of(descriptor)
        return lambda message: encode_json(write(message))

    def of(self, descriptor: Descriptor) -> Writer:
        """The writer of a message type, compiled on first use."""
        known = self._writers.get(descriptor)
        if known is not None:
            return known
        if descriptor.full_name in _WELL_KNOWN:
            writer = _WELL_KNOWN[descriptor.full_name]
        elif is_wrapper(descriptor):
            writer = _wrapper_writer(descriptor)
        elif descriptor.full_name == ANY:
            writer = self._write_any
        else:
            return self._compile(descriptor)
        self._writers[descriptor] = writer
        return writer

    def field(self, field: FieldDescriptor) -> Writer | None:
        """A writer of one field's value; None when the value can be encoded as it is."""
        if is_map(field):
            return self._map(field)
        one = self._one(field)
        if not field.is_repeated:
            return one
        return list if one is None else lambda held: [one(item) for item in held]

    def _compile(self, descriptor: Descriptor) -> Writer:
        writer = _ObjectWriter(descriptor)
        self._writers[descriptor] = writer  # before its fields: a message may contain itself
        for field in descriptor.fields:
            writer.learn(field, self.field(field))
        return writer

    def _one(self, field: FieldDescriptor) -> Writer | None:
        """A writer of one value, be the field repeated or not."""
        if field.message_type is not None:
            return self.of(field.message_type)
        if field.enum_type is not None:
            return _enum_writer(field.enum_type)
        return _SCALARS.get(field.type)

    def _map(self, field: FieldDescriptor) -> Writer:
        entry = field.message_type
        assert entry is not None  # noqa: S101 - a map field always has an entry type
        write = self._one(entry.fields_by_name["value"])
        key_type = entry.fields_by_name["key"].type
        key: Callable[[Any], str] = _bool_key if key_type == FieldDescriptor.TYPE_BOOL else str
        if write is None:
            return lambda held: {key(name): value for name, value in held.items()}
        return lambda held: {key(name): write(value) for name, value in held.items()}

    def _write_any(self, message: any_pb2.Any) -> dict[str, object]:
        if not message.type_url and not message.value:
            return {}
        inner = self._unpack(message)
        if inner is None:
            # An answer with a type from a newer server is still an answer.
            return {"@type": message.type_url, "value": base64.b64encode(message.value).decode()}
        write = self.of(descriptor_of(inner))
        if isinstance(write, _ObjectWriter):
            return {"@type": message.type_url, **write(inner)}
        return {"@type": message.type_url, "value": write(inner)}

    def _unpack(self, message: any_pb2.Any) -> Message | None:
        try:
            descriptor = self._pool.FindMessageTypeByName(message.type_url.rpartition("/")[2])
            return message_factory.GetMessageClass(descriptor).FromString(message.value)
        except (KeyError, DecodeError):
            return None


class _ObjectWriter:
    """Writes messages of one type as JSON objects, members in the order of the proto."""

    __slots__ = ("_convert", "_fetch", "_names", "_optional", "_seldom", "_template")

    def __init__(self, descriptor: Descriptor) -> None:
        # Every member in the order of the proto; the values are replaced or the member deleted.
        self._template: dict[str, object] = dict.fromkeys(field.json_name for field in descriptor.fields)
        fetched = [field for field in descriptor.fields if not _is_seldom_set(field)]
        self._names = [field.json_name for field in fetched]
        self._fetch = _fetcher([field.name for field in fetched])
        self._convert: list[tuple[str, Writer]] = []
        self._optional: list[tuple[str, str, Writer | None]] = []
        self._seldom: list[tuple[str, str, Writer | None]] = []

    def learn(self, field: FieldDescriptor, write: Writer | None) -> None:
        if _is_seldom_set(field):
            self._seldom.append((field.json_name, field.name, write))
        elif field.has_presence:
            self._optional.append((field.json_name, field.name, write))
        elif write is not None:
            self._convert.append((field.json_name, write))

    def __call__(self, message: Any) -> dict[str, object]:
        written = self._template.copy()
        written.update(zip(self._names, self._fetch(message), strict=False))
        for name, write_always in self._convert:
            written[name] = write_always(written[name])
        is_set = message.HasField
        for name, field_name, write in self._optional:
            value = written[name]
            # Other than the default it must have been set: asking the message takes longer.
            if not value and not is_set(field_name):
                del written[name]
            elif write is not None:
                written[name] = write(value)
        for name, field_name, write in self._seldom:
            if is_set(field_name):
                value = getattr(message, field_name)
                written[name] = value if write is None else write(value)
            else:
                del written[name]
        return written


def _is_seldom_set(field: FieldDescriptor) -> bool:
    """Whether to ask first and fetch then: messages, and what has a default of its own."""
    return field.has_presence and (field.message_type is not None or bool(field.default_value))


def _fetcher(names: list[str]) -> Callable[[Any], tuple[object, ...]]:
    """Fetches many fields in one call, which costs half of fetching each."""
    if len(names) > 1:
        return attrgetter(*names)
    if not names:
        return lambda message: ()
    only = attrgetter(names[0])
    return lambda message: (only(message),)


def _wrapper_writer(descriptor: Descriptor) -> Writer:
    write = _SCALARS.get(descriptor.fields_by_name["value"].type)
    if write is None:
        return lambda message: message.value
    return lambda message: write(message.value)


def _enum_writer(enum: EnumDescriptor) -> Writer:
    """Names; a number without a name is written as the number."""
    if enum.full_name == NULL_VALUE:
        return lambda number: None
    names = {number: value.name for number, value in enum.values_by_number.items()}
    return lambda number: names.get(number, number)


def _bool_key(key: bool) -> str:
    return "true" if key else "false"


def _write_double(number: float) -> object:
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _write_float32(number: float) -> object:
    """Six digits, or as many more as make it the same 32-bit float: 0.1, not 0.10000000149011612."""
    if not math.isfinite(number):
        return _write_double(number)
    for digits in range(6, 9):
        shorter = float(f"{number:.{digits}g}")
        try:
            if struct.unpack("<f", struct.pack("<f", shorter))[0] == number:
                return shorter
        except OverflowError:  # rounding up went past the largest float
            continue
    return float(f"{number:.9g}")


_SCALARS: dict[int, Writer] = {
    FieldDescriptor.TYPE_DOUBLE: _write_double,
    FieldDescriptor.TYPE_FLOAT: _write_float32,
    FieldDescriptor.TYPE_INT64: str,
    FieldDescriptor.TYPE_SINT64: str,
    FieldDescriptor.TYPE_SFIXED64: str,
    FieldDescriptor.TYPE_UINT64: str,
    FieldDescriptor.TYPE_FIXED64: str,
}
