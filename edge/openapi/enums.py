"""Enums: names both ways, and on the way in numbers too; each value with its comment."""

from __future__ import annotations

from google.protobuf.descriptor import EnumDescriptor, EnumValueDescriptor

from edge.openapi.comments import bullets, paragraphs
from edge.openapi.contract import Contract
from edge.openapi.numbers import number_passes
from edge.openapi.rules import Rules
from edge.openapi.shapes import Form, Schema
from edge.rest.scalars import NULL_VALUE


def enum_component(enum: EnumDescriptor, contract: Contract) -> Schema:
    """The enum as a schema of its own: every name, as answers have it."""
    return _names(list(enum.values), enum, contract, contract.comment(enum.full_name))


def answered_enum(enum: EnumDescriptor, rules: Rules, reference: Schema, contract: Contract) -> Schema:
    """What is answered: every name, but those that the rules refuse. What was read can then be sent back."""
    refused = rules.value("not_in") or ()
    left = [value for value in enum.values if value.number not in refused]
    return reference if len(left) == len(enum.values) else _names(left, enum, contract)


def accepted_enum(
    enum: EnumDescriptor, rules: Rules, form: Form, reference: Schema, contract: Contract
) -> Schema:
    """What may be sent. `reference` stands for every name, where the rules refuse none."""
    if enum.full_name == NULL_VALUE:
        return {"enum": ["NULL_VALUE", 0, *([None] if form is Form.INPUT else [])]}
    passing = [value for value in enum.values if number_passes(rules, value.number)]
    names = reference if len(passing) == len(enum.values) else _names(passing, enum, contract)
    return {"anyOf": [names, _numbers(passing, enum, rules)]}


def zero_passes(enum: EnumDescriptor, rules: Rules) -> bool:
    return number_passes(rules, 0) and not (rules.value("defined_only") and 0 not in enum.values_by_number)


def _names(
    values: list[EnumValueDescriptor], enum: EnumDescriptor, contract: Contract, comment: str = ""
) -> Schema:
    words = [contract.comment(f"{enum.full_name}.{value.name}") for value in values]
    names = [value.name for value in values]
    schema: Schema = {"type": "string", "enum": names}
    description = paragraphs(comment, bullets(zip(names, words, strict=True)) if any(words) else "")
    if description:
        schema["description"] = description
    if any(words):
        schema["x-enum-descriptions"] = words
    deprecated = [value.name for value in values if value.has_options and value.GetOptions().deprecated]
    return {**schema, "x-deprecated-values": deprecated} if deprecated else schema


def _numbers(passing: list[EnumValueDescriptor], enum: EnumDescriptor, rules: Rules) -> Schema:
    if rules.value("defined_only") or enum.is_closed or rules.value("in") or rules.value("const") is not None:
        return {"type": "integer", "enum": list(dict.fromkeys(value.number for value in passing))}
    schema: Schema = {"type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1}
    refused = rules.value("not_in")
    return {**schema, "not": {"enum": refused}} if refused else schema
