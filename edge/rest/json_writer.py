"""Messages as proto3 JSON: one writer per message type, compiled once from its descriptor.

Writers make values for the msgspec encoder, which spells bytes as base64 and integer keys as strings itself.
Fields without presence are always written; others only when set. Reading is `json_reader`'s work.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import msgspec
from google.protobuf import any_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message

from edge.rest.fields import ANY, DURATION, FIELD_MASK, TIMESTAMP, descriptor_of, is_map, is_wrapper
from edge.rest.masks import write_field_mask
from edge.rest.object_writer import Writer, compile_object_writer
from edge.rest.scalars import NULL_VALUE
from edge.rest.structs import write_list, write_struct, write_value
from edge.rest.times import write_duration, write_timestamp

_WELL_KNOWN: dict[str, Writer] = {
    TIMESTAMP: write_timestamp,
    DURATION: write_duration,
    FIELD_MASK: write_field_mask,
    "google.protobuf.Struct": write_struct,
    "google.protobuf.Value": write_value,
    "google.protobuf.ListValue": write_list,
}

_as_list: Callable[[Any], list[Any]] = itemgetter(slice(None))

encode_json: Callable[[object], bytes] = msgspec.json.Encoder().encode


class JsonWriters:
    """The compiled writers of one gateway, by message type."""

    def __init__(self, pool: DescriptorPool | None = None) -> None:
        self._pool = pool or descriptor_pool.Default()  # where the types inside `Any` are looked up
        self._writers: dict[Descriptor, Writer] = {}
        self._object_types: set[Descriptor] = set()

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
        return _as_list if one is None else lambda held: [one(item) for item in held[:]]

    def _compile(self, descriptor: Descriptor) -> Writer:
        def later(message: Any) -> object:
            return self._writers[descriptor](message)

        # A message may contain itself: while its writer is being made, its fields get this detour.
        self._writers[descriptor] = later
        writer: Writer = compile_object_writer(descriptor, self._element)
        if descriptor.is_extendable:
            writer = self._with_extensions(writer)
        self._writers[descriptor] = writer
        self._object_types.add(descriptor)
        return writer

    def _with_extensions(self, write: Writer) -> Writer:
        """Extensions are not in the descriptor of what they extend: each message knows its own."""
        writers: dict[FieldDescriptor, Writer | None] = {}

        def write_all(message: Any) -> object:
            written: Any = write(message)
            for field, value in message.ListFields():
                if field.is_extension:
                    if field not in writers:
                        writers[field] = self.field(field)
                    one = writers[field]
                    written[f"[{field.full_name}]"] = value if one is None else one(value)
            return written

        return write_all

    def _element(self, field: FieldDescriptor) -> Writer | None:
        return self._map(field) if is_map(field) else self._one(field)

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
        """The packed message beside its `@type`; as bytes when nobody here can read or write it."""
        if not message.type_url and not message.value:
            return {}
        try:
            inner = self._unpack(message)
            written = self.of(descriptor_of(inner))(inner)
        except (KeyError, DecodeError, ValueError, RecursionError):
            # An answer with a type from a newer server, or what JSON cannot hold, is still an answer.
            return {"@type": message.type_url, "value": base64.b64encode(message.value).decode()}
        if descriptor_of(inner) in self._object_types and isinstance(written, dict):
            return {"@type": message.type_url, **written}
        return {"@type": message.type_url, "value": written}

    def _unpack(self, message: any_pb2.Any) -> Message:
        """Raises KeyError for a type unknown here, DecodeError for other bytes than the type's."""
        descriptor = self._pool.FindMessageTypeByName(message.type_url.rpartition("/")[2])
        return message_factory.GetMessageClass(descriptor).FromString(message.value)


def _wrapper_writer(descriptor: Descriptor) -> Writer:
    write = _SCALARS.get(descriptor.fields_by_name["value"].type)
    if write is None:
        return lambda message: message.value
    return lambda message: write(message.value)


def _enum_writer(enum: EnumDescriptor) -> Writer:
    """Names, of several the first; a number without a name is written as the number."""
    if enum.full_name == NULL_VALUE:
        return lambda number: None
    return _EnumNames((value.number, value.name) for value in reversed(enum.values)).__getitem__


class _EnumNames(dict[int, object]):
    def __missing__(self, number: int) -> int:
        return number


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
