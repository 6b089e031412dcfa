"""FieldMask as proto3 JSON text, and the mask that a PATCH body implies."""

from __future__ import annotations

import re

from google.protobuf.descriptor import Descriptor
from google.protobuf.field_mask_pb2 import FieldMask

from edge.rest.fields import fields_by_any_name, is_map, is_plain_message
from edge.rest.violations import InvalidValueError

_CAMEL_PATH = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z][A-Za-z0-9]*)*", re.ASCII)
_CAPITAL = re.compile(r"[A-Z]")
_SNAKE_STEP = re.compile(r"_([a-z])")


def read_field_mask(value: object, message: FieldMask) -> None:
    """Fill from comma-separated lowerCamelCase paths. Raises `InvalidValueError`."""
    if type(value) is not str:
        raise InvalidValueError("must be field paths separated by commas")
    paths = value.split(",") if value else []
    for path in paths:
        if not _CAMEL_PATH.fullmatch(path):
            raise InvalidValueError("must be lowerCamelCase field paths separated by commas")
    message.paths.extend(_CAPITAL.sub(lambda found: f"_{found[0].lower()}", path) for path in paths)


def write_field_mask(message: FieldMask) -> str:
    """Comma-separated lowerCamelCase paths. Raises ValueError for one that would not come back the same."""
    return ",".join(_camel(path) for path in message.paths)


def mask_paths(descriptor: Descriptor, tree: object) -> list[str]:
    """The proto paths of the fields that a JSON object names, down to the innermost plain message."""
    if type(tree) is not dict:
        return []
    fields = fields_by_any_name(descriptor)
    paths: list[str] = []
    for name, value in tree.items():
        field = fields[name]
        goes_deeper = (
            not field.is_repeated and not is_map(field) and is_plain_message(field) and type(value) is dict
        )
        inner = mask_paths(field.message_type, value) if goes_deeper and field.message_type else []
        paths.extend(f"{field.name}.{path}" for path in inner)
        if not inner:
            paths.append(field.name)
    return paths


def _camel(path: str) -> str:
    camel = _SNAKE_STEP.sub(lambda found: found[1].upper(), path)
    if _CAPITAL.search(path) or "_" in camel:
        raise ValueError("the field mask has a path that JSON cannot spell")
    return camel
