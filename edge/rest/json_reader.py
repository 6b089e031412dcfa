"""proto3 JSON values into messages: one reader per message type, compiled once from its descriptor.

A reader turns a JSON object into the arguments of the message's constructor, nested ones and all, so that the
message itself is filled by one call. Writing messages back is `json_writer`'s work.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, EncodeError, Message

from edge.rest.field_readers import KnownField, ValueReader, known_field
from edge.rest.fields import (
    ANY,
    DURATION,
    FIELD_MASK,
    TIMESTAMP,
    descriptor_of,
    is_map,
    is_wrapper,
)
from edge.rest.json_text import count_containers, parse_json
from edge.rest.masks import read_field_mask
from edge.rest.object_reader import ObjectReader
from edge.rest.scalars import json_scalar
from edge.rest.structs import read_list, read_struct, read_value
from edge.rest.times import read_duration, read_timestamp
from edge.rest.violations import InvalidValueError

# Reads a JSON value into an empty message: of a type, or one that holds a field.
Reader = Callable[[object, Any], None]
# Reads JSON text into an empty message and returns the parsed value. Raises `InvalidValueError`.
Parser = Callable[[bytes, Message], object]

_WELL_KNOWN: dict[str, ValueReader] = {TIMESTAMP: read_timestamp, DURATION: read_duration}
_FILLED: dict[str, Callable[[object, Any], None]] = {
    FIELD_MASK: read_field_mask,
    "google.protobuf.Struct": read_struct,
    "google.protobuf.Value": read_value,
    "google.protobuf.ListValue": read_list,
}

# Messages may be 100 deep on the wire and free-form JSON takes up to three of them a level: fewer levels, or
# brackets in a text, than this cannot reach the limit.
_SURELY_SHALLOW = 30


class JsonReaders:
    """The compiled readers of one gateway, by message type."""

    def __init__(self, pool: DescriptorPool | None = None) -> None:
        self._pool = pool or descriptor_pool.Default()  # where the types inside `Any` are looked up
        self._by_type: dict[Descriptor, ValueReader] = {}
        self._depths: dict[Descriptor, float] = {}

    def parse(self, text: bytes, message: Message) -> object:
        """Fill an empty message from JSON text; return the parsed value. Raises `InvalidValueError`."""
        return self.parser(descriptor_of(message))(text, message)

    def parser(self, descriptor: Descriptor) -> Parser:
        """`parse` for messages of one type, its reader looked up once."""
        read = self._message(descriptor)
        if self._can_be_deep(descriptor):
            return _deep_parser(self.of(descriptor))

        def parse(text: bytes, message: Message) -> object:
            value = parse_json(text, of_any_depth=True)
            _fill(message, read(value))
            return value

        return parse

    def field_parser(self, field: FieldDescriptor) -> Parser:
        """`parse` of text that is one field's value, into an empty message that holds the field."""
        return _deep_parser(self.field(field))

    def of(self, descriptor: Descriptor) -> Reader:
        """A reader of a JSON value into an empty message of this type."""
        read = self._message(descriptor)
        return lambda value, message: _fill(message, read(value))

    def field(self, field: FieldDescriptor) -> Reader:
        """A reader of one field's JSON value into an empty message that holds the field."""
        known = self._field(field)

        def read(value: object, message: Any) -> None:
            if value or type(value) not in known.absent:
                _fill(message, {known.name: known.read(value)})

        return read

    def _message(self, descriptor: Descriptor) -> ValueReader:
        """The reader of a message type, compiled on first use."""
        known = self._by_type.get(descriptor)
        if known is not None:
            return known
        if descriptor.full_name in _WELL_KNOWN:
            read = _WELL_KNOWN[descriptor.full_name]
        elif descriptor.full_name in _FILLED:
            read = _message_reader(descriptor, _FILLED[descriptor.full_name])
        elif is_wrapper(descriptor):
            read = _wrapper_reader(descriptor)
        elif descriptor.full_name == ANY:
            read = self._read_any
        else:
            return self._compile(descriptor)
        self._by_type[descriptor] = read
        return read

    def _compile(self, descriptor: Descriptor) -> ValueReader:
        reader = ObjectReader(descriptor)
        self._by_type[descriptor] = reader  # before its fields: a message may contain itself
        for field in descriptor.fields:
            reader.learn(field, self._field(field))
        return reader

    def _field(self, field: FieldDescriptor) -> KnownField:
        kind = _element_type(field)
        return known_field(field, None if kind is None else self._message(kind))

    def _can_be_deep(self, descriptor: Descriptor) -> bool:
        return self._depth(descriptor) >= _SURELY_SHALLOW

    def _depth(self, descriptor: Descriptor) -> float:
        """How many levels of messages fit into each other; free-form types contain themselves."""
        if descriptor.full_name == ANY:
            return math.inf
        if descriptor not in self._depths:
            self._depths[descriptor] = math.inf  # for those below who contain it
            below = [self._depth(f.message_type) for f in descriptor.fields if f.message_type is not None]
            self._depths[descriptor] = 1 + max(below, default=0)
        return self._depths[descriptor]

    def _read_any(self, value: object) -> object:
        if type(value) is not dict:
            raise InvalidValueError("must be an object")
        if not value:
            return {}
        inner = self._new_message(value.get("@type"))
        read = self._message(descriptor_of(inner))
        rest = {name: member for name, member in value.items() if name != "@type"}
        if isinstance(read, ObjectReader):
            _fill(inner, read(rest))
        elif rest.keys() == {"value"}:
            _fill(inner, _under_value(read, rest["value"]))
        else:
            raise InvalidValueError('must have exactly "@type" and "value"')
        try:
            return {"type_url": value["@type"], "value": inner.SerializeToString(deterministic=True)}
        except EncodeError:
            raise InvalidValueError("is incomplete") from None

    def _new_message(self, type_url: object) -> Message:
        try:
            if type(type_url) is str and "/" in type_url:
                name = type_url.rpartition("/")[2]
                return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(name))()
        except KeyError:
            pass
        raise InvalidValueError("must name a message type that is known here", "@type")


def _deep_parser(read: Reader) -> Parser:
    """For what may contain itself or free-form JSON."""

    def parse(text: bytes, message: Message) -> object:
        value = parse_json(text)
        read(value, message)
        if count_containers(text) >= _SURELY_SHALLOW:
            _refuse_deep_message(message)
        return value

    return parse


def _refuse_deep_message(message: Message) -> None:
    try:
        type(message)().MergeFromString(message.SerializePartialToString())
    except (DecodeError, EncodeError):
        raise _too_deep() from None


def _fill(message: Any, content: object) -> None:
    """Give an empty message what a reader made for it: the arguments of its constructor, or its like."""
    try:
        if type(content) is dict:
            type(message).__init__(message, **content)
        else:
            message.MergeFrom(content)
    except (DecodeError, EncodeError):
        raise _too_deep() from None


def _too_deep() -> InvalidValueError:
    return InvalidValueError("The body is nested too deep.")


def _element_type(field: FieldDescriptor) -> Descriptor | None:
    """The message type of the field's values, of a map's values for a map; None for scalars."""
    kind = field.message_type
    if kind is not None and is_map(field):
        return kind.fields_by_name["value"].message_type
    return kind


def _message_reader(descriptor: Descriptor, fill: Callable[[object, Any], None]) -> ValueReader:
    make = message_factory.GetMessageClass(descriptor)

    def read(value: object) -> Message:
        message = make()
        fill(value, message)
        return message

    return read


def _wrapper_reader(descriptor: Descriptor) -> ValueReader:
    read = json_scalar(descriptor.fields_by_name["value"])
    return lambda value: {"value": read(value)}


def _under_value(read: ValueReader, value: object) -> object:
    try:
        return read(value)
    except InvalidValueError as error:
        raise error.under("value") from None
