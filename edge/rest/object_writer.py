"""Compiles the writer of one message type: straight-line Python made from its descriptor, as dataclasses do.

Looping over a table of fields costs as much again as fetching them. Only the field names of compiled protos
get into the source; everything else is passed in by name.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable
from typing import Any, cast

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from edge.rest.fields import is_map

# Turns a field's value, or a whole message, into what the JSON encoder writes.
Writer = Callable[[Any], object]


def compile_object_writer(
    descriptor: Descriptor, element_writer: Callable[[FieldDescriptor], Writer | None]
) -> Callable[[Any], dict[str, object]]:
    """A function from message to JSON object, its members in the order of the proto.

    `element_writer` gives the writer of a field's elements (of the whole map, for a map), None for those that
    are encoded as they are.
    """
    # Taken from the class, because a field may have this name too.
    names: dict[str, object] = {"is_set": message_factory.GetMessageClass(descriptor).HasField}
    always: list[str] = []
    lines: list[str] = []
    for number, field in enumerate(descriptor.fields):
        write = element_writer(field)
        if write is not None:
            names[f"write_{number}"] = write
        writer = "" if write is None else f"write_{number}"
        if field.has_presence:
            lines += _when_set(field, writer)
        elif lines:
            lines.append(f" {_member(field)} = {_value(field, writer)}")
        else:
            always.append(f"{field.json_name!r}: {_value(field, writer)}")
    # The members up to the first optional one go into a display: it is made faster than it is filled.
    head = ["def write(message):", f" written = {{{', '.join(always)}}}"]
    exec("\n".join([*head, *lines, " return written"]), names)  # noqa: S102 - the source is ours, see above
    return cast(Callable[[Any], dict[str, object]], names["write"])


def _value(field: FieldDescriptor, writer: str) -> str:
    """The value of a field without presence."""
    fetched = _fetch(field.name)
    if not field.is_repeated or is_map(field):
        return _written(fetched, writer)
    # A slice of a repeated field is a list, and made in a fraction of the time that iterating takes.
    return f"[{writer}(one) for one in {fetched}[:]]" if writer else f"{fetched}[:]"


def _when_set(field: FieldDescriptor, writer: str) -> list[str]:
    fetched = _fetch(field.name)
    if field.message_type is not None or field.default_value:
        return [f" if is_set(message, {field.name!r}): {_member(field)} = {_written(fetched, writer)}"]
    # Other than the default it must have been set: asking the message takes longer.
    return [
        f" value = {fetched}",
        f" if value or is_set(message, {field.name!r}): {_member(field)} = {_written('value', writer)}",
    ]


def _member(field: FieldDescriptor) -> str:
    return f"written[{field.json_name!r}]"


def _written(value: str, writer: str) -> str:
    return f"{writer}({value})" if writer else value


def _fetch(name: str) -> str:
    return f"getattr(message, {name!r})" if keyword.iskeyword(name) else f"message.{name}"
