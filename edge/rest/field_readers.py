"""Readers of one field's JSON value into the message that holds it: singular, repeated, map, oneof.

How a scalar is spelt is in `scalars`; which reader a field gets is decided in `json_reader`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from edge.rest.scalars import NULL_VALUE, json_scalar
from edge.rest.violations import InvalidValueError

# Reads a JSON value into a message: a type's reader into one of that type, a field's reader into its holder.
Reader = Callable[[object, Any], None]

_VALUE = "google.protobuf.Value"

# JSON values of exactly this type can be assigned as they are; the message checks integer ranges itself.
ASSIGNABLE: dict[int, type] = {
    FieldDescriptor.TYPE_STRING: str,
    FieldDescriptor.TYPE_BOOL: bool,
    FieldDescriptor.TYPE_DOUBLE: float,
    FieldDescriptor.TYPE_INT32: int,
    FieldDescriptor.TYPE_SINT32: int,
    FieldDescriptor.TYPE_SFIXED32: int,
    FieldDescriptor.TYPE_INT64: int,
    FieldDescriptor.TYPE_SINT64: int,
    FieldDescriptor.TYPE_SFIXED64: int,
    FieldDescriptor.TYPE_UINT32: int,
    FieldDescriptor.TYPE_FIXED32: int,
    FieldDescriptor.TYPE_UINT64: int,
    FieldDescriptor.TYPE_FIXED64: int,
}


def takes_null(field: FieldDescriptor) -> bool:
    """Whether JSON null is a value of the field and does not mean that it is absent."""
    kind = field.message_type or field.enum_type
    return kind is not None and kind.full_name in {_VALUE, NULL_VALUE}


def scalar_field(field: FieldDescriptor) -> Reader:
    name, convert, null_counts = field.name, json_scalar(field), takes_null(field)

    def read(value: object, message: Any) -> None:
        if value is not None or null_counts:
            setattr(message, name, convert(value))

    return read


def scalar_list(field: FieldDescriptor) -> Reader:
    name, convert = field.name, json_scalar(field)
    # Only a string field refuses every other type by itself: elsewhere Python takes True for 1.
    extend = _extend_with_strings if field.type == FieldDescriptor.TYPE_STRING else _extend

    def read(value: object, message: Any) -> None:
        if type(value) is not list:
            if value is None:
                return
            raise InvalidValueError("must be an array")
        if value:
            extend(getattr(message, name), value, convert)

    return read


def _extend_with_strings(held: Any, values: list[object], convert: Callable[[object], object]) -> None:
    try:
        held.extend(values)
    except TypeError:
        del held[:]
        _extend(held, values, convert)  # finds the wrong one


def _extend(held: Any, values: list[object], convert: Callable[[object], object]) -> None:
    try:
        for value in values:
            held.append(convert(value))
    except InvalidValueError as error:
        raise error.under(f"[{len(held)}]") from None


def message_field(field: FieldDescriptor, read_inner: Reader) -> Reader:
    name, null_counts = field.name, takes_null(field)

    def read(value: object, message: Any) -> None:
        if value is None and not null_counts:
            return
        inner = getattr(message, name)
        inner.SetInParent()
        read_inner(value, inner)

    return read


def message_list(field: FieldDescriptor, read_inner: Reader) -> Reader:
    name, null_counts = field.name, takes_null(field)

    def read(value: object, message: Any) -> None:
        if value is None:
            return
        if type(value) is not list:
            raise InvalidValueError("must be an array")
        held = getattr(message, name)
        try:
            for item in value:
                added = held.add()
                if not null_counts:
                    _refuse_null(item)
                read_inner(item, added)
        except InvalidValueError as error:
            raise error.under(f"[{len(held) - 1}]") from None

    return read


def scalar_map(
    name: str, convert_key: Callable[[str], object], convert: Callable[[object], object]
) -> Reader:
    def read_entries(value: dict[str, object], message: Any) -> None:
        held = getattr(message, name)
        for text, item in value.items():
            try:
                key = convert_key(text)
                _refuse_taken(key, held)
                held[key] = convert(item)
            except InvalidValueError as error:
                raise error.under(text) from None

    return _entries(read_entries)


def message_map(
    name: str, convert_key: Callable[[str], object], read_inner: Reader, null_counts: bool
) -> Reader:
    def read_entries(value: dict[str, object], message: Any) -> None:
        held = getattr(message, name)
        for text, item in value.items():
            try:
                key = convert_key(text)
                _refuse_taken(key, held)
                if not null_counts:
                    _refuse_null(item)
                read_inner(item, held[key])
            except InvalidValueError as error:
                raise error.under(text) from None

    return _entries(read_entries)


def _entries(read_entries: Callable[[dict[str, object], Any], None]) -> Reader:
    def read(value: object, message: Any) -> None:
        if value is None:
            return
        if type(value) is not dict:
            raise InvalidValueError("must be an object")
        read_entries(value, message)

    return read


def one_of(read: Reader, oneof: str, *, is_null_a_value: bool) -> Reader:
    """The same reader, refusing when another member of the oneof is set."""

    def read_one(value: object, message: Any) -> None:
        if value is None and not is_null_a_value:
            return
        if message.WhichOneof(oneof) is not None:
            raise InvalidValueError("excludes another field that is also given")
        read(value, message)

    return read_one


def _refuse_taken(key: object, held: Any) -> None:
    """Two spellings of one key, such as "1" and "01", would silently become one entry."""
    if key in held:
        raise InvalidValueError("is the same key as another one")


def _refuse_null(item: object) -> None:
    if item is None:
        raise InvalidValueError("must not be null")
