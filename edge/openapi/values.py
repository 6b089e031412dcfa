"""What one field takes or answers: a scalar, an enum, a list, a map, or a message under its own name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from edge.openapi.contract import Contract
from edge.openapi.enums import accepted_enum, answered_enum, enum_component
from edge.openapi.numbers import boolean_schema, float_schema, integer_key_schema, integer_schema
from edge.openapi.octets import bytes_schema
from edge.openapi.rules import NO_RULES, Rules
from edge.openapi.schema_names import SchemaNames
from edge.openapi.shapes import Form, Schema, or_one_of, reference
from edge.openapi.strings import string_schema, with_empty_text
from edge.openapi.well_known import is_well_known, well_known_schema
from edge.rest.fields import is_map, is_wrapper
from edge.rest.scalars import NULL_VALUE

_FLOATS = frozenset({FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT})

# The schema of a message that is no well-known one; the last argument says whether its rules bind.
MessageSchema = Callable[[Descriptor, Form, bool], Schema]


class Values:
    """Schemas of fields' values. Enums become components when they are met."""

    def __init__(
        self,
        contract: Contract,
        names: SchemaNames,
        components: dict[str, Schema],
        message_schema: MessageSchema,
    ) -> None:
        self._contract = contract
        self._names = names
        self._components = components
        self._message_schema = message_schema

    def of(self, field: FieldDescriptor, rules: Rules, form: Form, *, checked: bool) -> Schema:
        """The schema of a field's value under these rules, without words."""
        if is_map(field):
            return self._map(field, rules, form, checked)
        if field.is_repeated:
            return self._list(field, rules, form, checked)
        # With presence, what is demanded is that the field is there, and what is let off is its absence.
        return self._element(field, rules.only_type() if field.has_presence else rules, form, checked)

    def message(self, message: Descriptor, rules: Rules, form: Form, *, checked: bool) -> Schema:
        """The schema of a message, be it a well-known one."""
        if is_wrapper(message):
            return self._scalar(message.fields_by_name["value"], rules, form)
        if is_well_known(message):
            return well_known_schema(message, rules, form)
        return self._message_schema(message, form, checked)

    def _element(self, field: FieldDescriptor, rules: Rules, form: Form, checked: bool) -> Schema:
        """One value, of a field or in a list or map."""
        if rules.ignores_all:
            rules, checked = NO_RULES, False
        if field.message_type is None:
            return self._scalar(field, rules, form)
        return self.message(field.message_type, rules, form, checked=checked)

    def _scalar(self, field: FieldDescriptor, rules: Rules, form: Form) -> Schema:
        schema = self._typed(field, rules, form)
        if rules.required and form is not Form.OUTPUT:
            return _not_zero(field, schema)
        if not rules.ignores_zero or form is Form.OUTPUT:
            return schema
        if field.type == FieldDescriptor.TYPE_STRING:
            return with_empty_text(schema)
        return or_one_of(schema, _zeros(field, form))

    def _typed(self, field: FieldDescriptor, rules: Rules, form: Form) -> Schema:
        if field.enum_type is not None:
            return self._enum(field, rules, form)
        if field.type == FieldDescriptor.TYPE_STRING:
            return string_schema(rules, form)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return bytes_schema(rules, form)
        if field.type == FieldDescriptor.TYPE_BOOL:
            return boolean_schema(rules if form is not Form.OUTPUT else NO_RULES)
        if field.cpp_type in _FLOATS:
            return float_schema(field, rules, form)
        return integer_schema(field, rules, form)

    def _enum(self, field: FieldDescriptor, rules: Rules, form: Form) -> Schema:
        enum: Any = field.enum_type
        if enum.full_name == NULL_VALUE and form is Form.OUTPUT:
            return {"type": "null"}
        every_name = reference(self._names.of_enum(enum))
        if form is Form.OUTPUT:
            schema = answered_enum(enum, rules, every_name, self._contract)
        else:
            schema = accepted_enum(enum, rules, form, every_name, self._contract)
        if every_name in (schema, *schema.get("anyOf", ())):
            self._components[self._names.of_enum(enum)] = enum_component(enum, self._contract)
        return schema

    def _list(self, field: FieldDescriptor, rules: Rules, form: Form, checked: bool) -> Schema:
        schema: Schema = {
            "type": "array",
            "items": self._element(field, rules.inner("items"), form, checked),
        }
        if form is not Form.OUTPUT:
            fewest = rules.value("min_items") or int(rules.required)
            limits = {"minItems": 0 if rules.ignores_zero else fewest, "maxItems": rules.value("max_items")}
            schema |= {name: limit for name, limit in limits.items() if limit}
            schema |= {"uniqueItems": True} if rules.value("unique") else {}
        return schema

    def _map(self, field: FieldDescriptor, rules: Rules, form: Form, checked: bool) -> Schema:
        entry: Any = field.message_type
        key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
        schema: Schema = {
            "type": "object",
            "additionalProperties": self._element(value, rules.inner("values"), form, checked),
        }
        keys = self._keys(key, rules.inner("keys"), form)
        if keys:
            schema["propertyNames"] = keys
        if form is not Form.OUTPUT:
            fewest = rules.value("min_pairs") or int(rules.required)
            limits = {"minProperties": 0 if rules.ignores_zero else fewest}
            limits["maxProperties"] = rules.value("max_pairs")
            schema |= {name: limit for name, limit in limits.items() if limit}
        return schema

    def _keys(self, key: FieldDescriptor, rules: Rules, form: Form) -> Schema:
        """What a member's name must be: keys are text whatever their type."""
        if key.type == FieldDescriptor.TYPE_BOOL:
            return {"enum": ["true", "false"]}
        if key.type != FieldDescriptor.TYPE_STRING:
            return integer_key_schema(key, rules, form)
        schema = self._scalar(key, rules, form)
        return {name: said for name, said in schema.items() if name != "type"}


def _zeros(field: FieldDescriptor, form: Form) -> list[object]:
    if field.type == FieldDescriptor.TYPE_BOOL:
        return [False]
    if field.type == FieldDescriptor.TYPE_BYTES:
        return [""]
    if field.enum_type is not None:
        return [value.name for value in field.enum_type.values if value.number == 0] + [0]
    return [0] if form is Form.TEXT else [0, "0"]


def _not_zero(field: FieldDescriptor, schema: Schema) -> Schema:
    if field.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}:
        return {**schema, "minLength": max(1, schema.get("minLength", 0))}
    return {"allOf": [schema, {"not": {"enum": _zeros(field, Form.INPUT)}}]}
