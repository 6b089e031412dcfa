"""proto3 JSON values into messages: one reader per message type, compiled once from its descriptor.

A field whose JSON value already has the Python type that the message wants is assigned without a call of
ours; everything else goes to the field's own reader. Writing messages back is `json_writer`'s work.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import any_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, EncodeError, Message

from edge.rest.field_readers import (
    ASSIGNABLE,
    Reader,
    message_field,
    message_list,
    message_map,
    one_of,
    scalar_field,
    scalar_list,
    scalar_map,
    takes_null,
)
from edge.rest.fields import (
    ANY,
    DURATION,
    FIELD_MASK,
    TIMESTAMP,
    descriptor_of,
    is_map,
    is_wrapper,
    real_oneof,
)
from edge.rest.json_text import Document, parse_json
from edge.rest.masks import read_field_mask
from edge.rest.scalars import json_scalar, text_scalar
from edge.rest.structs import read_list, read_struct, read_value
from edge.rest.times import read_duration, read_timestamp
from edge.rest.violations import InvalidValueError

_WELL_KNOWN: dict[str, Reader] = {
    TIMESTAMP: read_timestamp,
    DURATION: read_duration,
    FIELD_MASK: read_field_mask,
    "google.protobuf.Struct": read_struct,
    "google.protobuf.Value": read_value,
    "google.protobuf.ListValue": read_list,
}

# Messages may be 100 deep on the wire and free-form JSON takes up to three of them a level: fewer brackets
# than this cannot reach the limit.
_SURELY_SHALLOW = 30


class JsonReaders:
    """The compiled readers of one gateway, by message type."""

    def __init__(self, pool: DescriptorPool | None = None) -> None:
        self._pool = pool or descriptor_pool.Default()  # where the types inside `Any` are looked up
        self._readers: dict[Descriptor, Reader] = {}

    def parse(self, text: bytes, message: Message) -> object:
        """Fill an empty message from JSON text; return the parsed value. Raises `InvalidValueError`."""
        document = parse_json(text)
        self.of(descriptor_of(message))(document.value, message)
        refuse_too_deep(document, message)
        return document.value

    def of(self, descriptor: Descriptor) -> Reader:
        """The reader of a message type, compiled on first use."""
        known = self._readers.get(descriptor)
        if known is not None:
            return known
        if descriptor.full_name in _WELL_KNOWN:
            reader = _WELL_KNOWN[descriptor.full_name]
        elif is_wrapper(descriptor):
            reader = _wrapper_reader(descriptor)
        elif descriptor.full_name == ANY:
            reader = self._read_any
        else:
            return self._compile(descriptor)
        self._readers[descriptor] = reader
        return reader

    def field(self, field: FieldDescriptor) -> Reader:
        """A reader of one field's JSON value into the message that holds the field."""
        read = self._field_without_oneof(field)
        oneof = real_oneof(field)
        if oneof is None:
            return read
        return one_of(read, oneof, is_null_a_value=takes_null(field))

    def _compile(self, descriptor: Descriptor) -> Reader:
        reader = _ObjectReader(descriptor)
        self._readers[descriptor] = reader  # before its fields: a message may contain itself
        for field in descriptor.fields:
            reader.learn(field, self.field(field))
        return reader

    def _field_without_oneof(self, field: FieldDescriptor) -> Reader:
        if is_map(field):
            return self._map(field)
        if field.message_type is None:
            return scalar_list(field) if field.is_repeated else scalar_field(field)
        read = self.of(field.message_type)
        return message_list(field, read) if field.is_repeated else message_field(field, read)

    def _map(self, field: FieldDescriptor) -> Reader:
        entry = field.message_type
        assert entry is not None  # noqa: S101 - a map field always has an entry type
        key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
        if value.message_type is None:
            return scalar_map(field.name, text_scalar(key), json_scalar(value))
        return message_map(field.name, text_scalar(key), self.of(value.message_type), takes_null(value))

    def _read_any(self, value: object, message: any_pb2.Any) -> None:
        if type(value) is not dict:
            raise InvalidValueError("must be an object")
        if not value:
            return
        inner = self._new_message(value.get("@type"))
        descriptor = descriptor_of(inner)
        rest = {name: member for name, member in value.items() if name != "@type"}
        if isinstance(self.of(descriptor), _ObjectReader):
            self.of(descriptor)(rest, inner)
        elif rest.keys() == {"value"}:
            self.of(descriptor)(rest["value"], inner)
        else:
            raise InvalidValueError('must have exactly "@type" and "value"')
        try:
            message.value = inner.SerializeToString(deterministic=True)
        except EncodeError:
            raise InvalidValueError("is incomplete") from None
        message.type_url = value["@type"]

    def _new_message(self, type_url: object) -> Message:
        try:
            if type(type_url) is str and "/" in type_url:
                name = type_url.rpartition("/")[2]
                return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(name))()
        except KeyError:
            pass
        raise InvalidValueError("must name a message type that is known here", "@type")


class _ObjectReader:
    """Reads JSON objects of one message type; fields are known by both their names."""

    __slots__ = ("_aliases", "_fields")

    def __init__(self, descriptor: Descriptor) -> None:
        # JSON name -> (type that can be assigned as it is, proto name, reader for all else)
        self._fields: dict[str, tuple[type | None, str, Reader]] = {}
        self._aliases = {
            field.name: field.json_name for field in descriptor.fields if field.name != field.json_name
        }

    def learn(self, field: FieldDescriptor, read: Reader) -> None:
        plain = not field.is_repeated and real_oneof(field) is None
        assignable = ASSIGNABLE.get(field.type) if plain else None
        self._fields[field.json_name] = (assignable, field.name, read)

    def __call__(self, tree: object, message: Any) -> None:
        if type(tree) is not dict:
            raise InvalidValueError("must be an object")
        fields = self._fields
        name = ""
        try:
            for name, value in tree.items():
                expected, field_name, read = fields.get(name) or self._by_alias(name, tree)
                if type(value) is expected:
                    setattr(message, field_name, value)
                else:
                    read(value, message)
        except InvalidValueError as error:
            raise error.under(self._aliases.get(name, name)) from None
        except ValueError:
            raise InvalidValueError("is out of range", self._aliases.get(name, name)) from None

    def _by_alias(self, name: str, tree: dict[str, object]) -> tuple[type | None, str, Reader]:
        json_name = self._aliases.get(name)
        if json_name is None:
            raise InvalidValueError("is not known here")
        if json_name in tree:
            raise InvalidValueError("is given under both its names")
        return self._fields[json_name]


def refuse_too_deep(document: Document, message: Message) -> None:
    """Refuse what the receiver of the message could not read: wire nesting has a limit of its own."""
    if document.containers < _SURELY_SHALLOW:
        return
    try:
        type(message)().MergeFromString(message.SerializePartialToString())
    except (DecodeError, EncodeError):
        raise InvalidValueError("The body is nested too deep.") from None


def _wrapper_reader(descriptor: Descriptor) -> Reader:
    convert = json_scalar(descriptor.fields_by_name["value"])

    def read(value: object, message: Any) -> None:
        message.value = convert(value)

    return read
