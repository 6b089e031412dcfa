"""Fields that exclude each other: what a oneof means for the members of a JSON object."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from edge.openapi.contract import Contract
from edge.openapi.rules import exclusive_fields_of
from edge.openapi.shapes import Schema
from edge.rest.fields import real_oneof

# Types of which null is a value.
_WITH_NULL: Final = ("google.protobuf.Value", "google.protobuf.NullValue")


def ruled_out(message: Descriptor, given: Collection[str]) -> set[str]:
    """Proto names of the fields that cannot stand beside these, which are in a oneof with them."""
    taken = {real_oneof(message.fields_by_name[name]) for name in given} - {None}
    return {field.name for field in message.fields if real_oneof(field) in taken} - set(given)


def exclusions(
    contract: Contract, message: Descriptor, present: Collection[str], given: Collection[str] = ()
) -> Schema:
    """Keywords that let a request give one field of each oneof, and demand one where a rule does.

    `present` are the JSON names of the members, `given` the proto names of fields that stand elsewhere.
    """
    dependent: dict[str, Schema] = {}
    demands: list[Schema] = []
    for exclusive in exclusive_fields_of(contract, message):
        names = [message.fields_by_name[field].json_name for field in exclusive.fields]
        names = [name for name in names if name in present]
        for name in names:
            others = [{"required": [other]} for other in names if other != name]
            if others:
                dependent[name] = {"not": {"anyOf": others}}
        if exclusive.one_is_required and names and not set(given).intersection(exclusive.fields):
            fields = [message.fields_by_name[field] for field in exclusive.fields]
            demands.append({"anyOf": [_given(field) for field in fields if field.json_name in names]})
    schema: Schema = {"dependentSchemas": dependent} if dependent else {}
    # Beside the members a bare `anyOf` would make generators of types believe that it stands for them.
    return schema | {"allOf": demands} if demands else schema


def _given(field: FieldDescriptor) -> Schema:
    """The member is there, and not with a null that means it is not."""
    name, kind = field.json_name, field.message_type or field.enum_type
    if kind is not None and kind.full_name in _WITH_NULL:
        return {"required": [name]}
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}
