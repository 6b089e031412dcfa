"""Readers of one field's JSON value: singular, repeated, map.

A reader makes what the constructor of the message takes for the field: a plain value, a list, a dict of a
map's entries or of a message's own fields, or a message. How a scalar is spelt is in `scalars`; which reader
a field gets is decided in `json_reader`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from google.protobuf.descriptor import FieldDescriptor

from edge.rest.fields import is_map
from edge.rest.scalars import NULL_VALUE, json_scalar, text_scalar
from edge.rest.violations import InvalidValueError

# Raises `InvalidValueError` for a JSON value that the field or message does not take.
ValueReader = Callable[[object], object]

_VALUE = "google.protobuf.Value"

# JSON values of exactly this type are what the field holds, every one of them.
_PLAIN: dict[int, type] = {
    FieldDescriptor.TYPE_STRING: str,
    FieldDescriptor.TYPE_BOOL: bool,
    FieldDescriptor.TYPE_DOUBLE: float,
}


class KnownField(NamedTuple):
    """How the JSON values of one field are read."""

    plain: type | None
    """Values of this type need no reader."""
    name: str
    read: ValueReader
    absent: tuple[type, ...]
    """Empty values of these types, such as null, leave the field as it is."""


def known_field(field: FieldDescriptor, read_message: ValueReader | None) -> KnownField:
    """The reading of one field; `read_message` reads one of its messages, or one of the messages in a map."""
    null = type(None)
    if is_map(field):
        return KnownField(None, field.name, _map_reader(field, read_message), (null, dict))
    plain = _PLAIN.get(field.type)
    read = read_message or json_scalar(field)
    if field.is_repeated:
        return KnownField(None, field.name, _list_reader(read, plain), (null, list))
    return KnownField(plain, field.name, read, () if _takes_null(field) else (null,))


def _takes_null(field: FieldDescriptor) -> bool:
    """Whether JSON null is a value of the field and does not mean that it is absent."""
    kind = field.message_type or field.enum_type
    return kind is not None and kind.full_name in {_VALUE, NULL_VALUE}


def _list_reader(read_one: ValueReader, plain: type | None) -> ValueReader:
    def read(value: object) -> object:
        if type(value) is not list:
            raise InvalidValueError("must be an array")
        for item in value:
            if type(item) is not plain:
                return _each(value, read_one)
        return value

    return read


def _each(values: list[object], read_one: ValueReader) -> list[object]:
    done: list[object] = []
    try:
        for value in values:
            done.append(read_one(value))
    except InvalidValueError as error:
        raise error.under(f"[{len(done)}]") from None
    return done


def _map_reader(field: FieldDescriptor, read_message: ValueReader | None) -> ValueReader:
    entry = field.message_type
    assert entry is not None  # noqa: S101 - a map field always has an entry type
    read_key = text_scalar(entry.fields_by_name["key"])
    read_one = read_message or json_scalar(entry.fields_by_name["value"])

    def read(value: object) -> dict[object, object]:
        if type(value) is not dict:
            raise InvalidValueError("must be an object")
        entries: dict[object, object] = {}
        for text, item in value.items():
            try:
                key = read_key(text)
                _refuse_taken(key, entries)
                entries[key] = read_one(item)
            except InvalidValueError as error:
                raise error.under(text) from None
        return entries

    return read


def _refuse_taken(key: object, entries: dict[object, object]) -> None:
    """Two spellings of one key, such as "1" and "01", would silently become one entry."""
    if key in entries:
        raise InvalidValueError("is the same key as another one")
