"""What a field's options say beside its type: whether it is demanded, and on which side it shows."""

from __future__ import annotations

from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor

from edge.openapi.contract import Contract
from edge.openapi.enums import zero_passes
from edge.openapi.numbers import number_passes
from edge.openapi.octets import empty_bytes_pass
from edge.openapi.rules import Rules
from edge.openapi.shapes import Form, Schema
from edge.openapi.strings import empty_text_passes
from edge.rest.fields import is_map

_BEHAVIOR = "google.api.field_behavior"
_REQUIRED = field_behavior_pb2.REQUIRED
_OUTPUT_ONLY, _INPUT_ONLY = field_behavior_pb2.OUTPUT_ONLY, field_behavior_pb2.INPUT_ONLY
_IMMUTABLE, _IDENTIFIER = field_behavior_pb2.IMMUTABLE, field_behavior_pb2.IDENTIFIER


def is_input(contract: Contract, field: FieldDescriptor) -> bool:
    """Whether a request may say something with the field: what only the service sets is not for requests."""
    return not _behaves(contract, field, _OUTPUT_ONLY)


def is_output(contract: Contract, field: FieldDescriptor) -> bool:
    return not _behaves(contract, field, _INPUT_ONLY)


def is_mutable(contract: Contract, field: FieldDescriptor) -> bool:
    """Whether an update may name the field."""
    return is_input(contract, field) and not (
        _behaves(contract, field, _IMMUTABLE) or _behaves(contract, field, _IDENTIFIER)
    )


def is_required(contract: Contract, field: FieldDescriptor, rules: Rules) -> bool:
    """Whether a request must give the field: its syntax, behaviour or rules refuse its absence."""
    if field.is_required or _behaves(contract, field, _REQUIRED):
        return True
    if rules.ignores_all or rules.required:
        return not rules.ignores_all
    if rules.ignores_zero or field.has_presence:
        return False
    return not _absence_passes(field, rules)


def marks(contract: Contract, field: FieldDescriptor, form: Form) -> Schema:
    """Keywords and extensions for what is no part of the value."""
    found: Schema = {}
    if form is Form.OUTPUT and _behaves(contract, field, _OUTPUT_ONLY):
        found["readOnly"] = True
    if form is Form.INPUT and _behaves(contract, field, _INPUT_ONLY):
        found["writeOnly"] = True
    if form is Form.INPUT and _behaves(contract, field, _IMMUTABLE):
        found["x-immutable"] = True
    if field.has_options and field.GetOptions().deprecated:
        found["deprecated"] = True
    return found


def _behaves(contract: Contract, field: FieldDescriptor, behavior: int) -> bool:
    return behavior in (contract.option(field, _BEHAVIOR) or ())


def _absence_passes(field: FieldDescriptor, rules: Rules) -> bool:
    """Whether the value of an absent field breaks no rule: an empty list or map, or the type's zero."""
    if field.is_repeated:
        return not rules.value("min_pairs" if is_map(field) else "min_items")
    if field.enum_type is not None:
        return zero_passes(field.enum_type, rules)
    if field.type == FieldDescriptor.TYPE_STRING:
        return empty_text_passes(rules)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return empty_bytes_pass(rules)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return rules.value("const") is not True
    return number_passes(rules, 0)
