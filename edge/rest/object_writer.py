"""Compiles the writer of one message type: straight-line Python made from its descriptor, as dataclasses do.

Looping over a table of fields costs as much again as fetching them. Only the field names of compiled protos
get into the source; everything else is passed in by name.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable
from typing import Any, cast

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
    names: dict[str, object] = {}
    lines = ["def write(message):", " is_set = message.HasField", " written = {}"]
    for number, field in enumerate(descriptor.fields):
        write = element_writer(field)
        if write is not None:
            names[f"write_{number}"] = write
        lines += _statements(field, "" if write is None else f"write_{number}")
    lines.append(" return written")
    exec("\n".join(lines), names)  # noqa: S102 - the source is ours, see above
    return cast(Callable[[Any], dict[str, object]], names["write"])


def _statements(field: FieldDescriptor, writer: str) -> list[str]:
    fetched = _fetch(field.name)
    target = f"written[{field.json_name!r}]"
    if is_map(field):
        return [f" {target} = {writer}({fetched})"]
    if field.is_repeated:
        # A slice of a repeated field is a list, and made in a fraction of the time that iterating takes.
        value = f"[{writer}(one) for one in {fetched}[:]]" if writer else f"{fetched}[:]"
        return [f" {target} = {value}"]
    if not field.has_presence:
        return [f" {target} = {_written(fetched, writer)}"]
    if field.message_type is not None or field.default_value:
        return [f" if is_set({field.name!r}): {target} = {_written(fetched, writer)}"]
    # Other than the default it must have been set: asking the message takes longer.
    return [
        f" value = {fetched}",
        f" if value or is_set({field.name!r}): {target} = {_written('value', writer)}",
    ]


def _written(value: str, writer: str) -> str:
    return f"{writer}({value})" if writer else value


def _fetch(name: str) -> str:
    return f"getattr(message, {name!r})" if keyword.iskeyword(name) else f"message.{name}"
