"""Readers of one field's text, from a path or a query, into the message that holds the field.

How a scalar is spelt is in `scalars`; which fields a request may name is decided in `binder`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from edge.rest.fields import is_wrapper, real_oneof
from edge.rest.json_reader import JsonReaders
from edge.rest.scalars import text_scalar
from edge.rest.violations import InvalidValueError

# Raises `InvalidValueError`.
TextReader = Callable[[str, Any], None]


def text_reader(field: FieldDescriptor, readers: JsonReaders) -> TextReader:
    """Reads one text into the field; a repeated field gets one more element, a taken oneof refuses."""
    set_one = _append(field, readers) if field.is_repeated else _assign(field, readers)
    oneof = real_oneof(field)
    if oneof is None:
        return set_one

    def set_one_of(text: str, holder: Any) -> None:
        if holder.WhichOneof(oneof) is not None:
            raise InvalidValueError("excludes another field that is also given")
        set_one(text, holder)

    return set_one_of


def _assign(field: FieldDescriptor, readers: JsonReaders) -> TextReader:
    name = field.name
    if field.message_type is None:
        convert = text_scalar(field)
        return lambda text, holder: setattr(holder, name, convert(text))
    fill = _message_filler(field.message_type, readers)

    def assign(text: str, holder: Any) -> None:
        getattr(holder, name).SetInParent()
        fill(text, getattr(holder, name))

    return assign


def _append(field: FieldDescriptor, readers: JsonReaders) -> TextReader:
    name = field.name
    if field.message_type is None:
        convert = text_scalar(field)
        return lambda text, holder: getattr(holder, name).append(convert(text))
    fill = _message_filler(field.message_type, readers)
    return lambda text, holder: fill(text, getattr(holder, name).add())


def _message_filler(descriptor: Descriptor, readers: JsonReaders) -> TextReader:
    if not is_wrapper(descriptor):
        return readers.of(descriptor)
    convert = text_scalar(descriptor.fields_by_name["value"])
    return lambda text, wrapper: setattr(wrapper, "value", convert(text))
