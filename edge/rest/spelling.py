"""How the path of a wrong field is spelled: the server speaks of proto names, the caller wrote JSON."""

from __future__ import annotations

import re

from google.protobuf.descriptor import Descriptor

from edge.rest.fields import FREE_FORM


def json_path(field_path: str) -> str:
    """A proto field path as the JSON caller wrote it: `a_b.c_d[0]` becomes `aB.cD[0]`."""
    return re.sub(r"_+([a-z0-9])", lambda match: match[1].upper(), field_path)


def path_within(message: Descriptor, field_path: str) -> str:
    """The same for a path within a known message: what is inside a Struct has its caller's own names."""
    name, dot, rest = field_path.partition(".")
    plain, bracket, subscript = name.partition("[")
    field = message.fields_by_name.get(plain)
    if field is None or field.message_type is None:
        return json_path(field_path)
    inner = rest if field.message_type.full_name in FREE_FORM else path_within(field.message_type, rest)
    return field.json_name + bracket + subscript + dot + inner


def as_written(field_path: str, message: Descriptor, body_field: str) -> str:
    """The JSON path within the body, when a field of the request `message` was the whole body."""
    spelled = path_within(message, field_path)
    return spelled.removeprefix(f"{path_within(message, body_field)}.") if body_field else spelled
