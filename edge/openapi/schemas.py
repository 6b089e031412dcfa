"""Messages as JSON Schema: one component for answers, another for requests, and what their fields take.

Answers say every field that is always there; the rules of `buf.validate` bind requests only, because stored
content may be older than a rule. Two narrow answers too: a number is finite, an enum's name is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from edge.openapi.comments import paragraphs
from edge.openapi.contract import Contract
from edge.openapi.examples import examples_of
from edge.openapi.field_facts import is_input, is_output, is_required, marks
from edge.openapi.objects import exclusions, ruled_out
from edge.openapi.rules import NO_RULES, Rules, message_rules_of, rules_of
from edge.openapi.schema_names import SchemaNames
from edge.openapi.shapes import Form, Schema, nullable, reference
from edge.openapi.values import Values
from edge.openapi.well_known import rules_in_words

# Field paths, as JSON names, that are left out of an object because the path of the URL gives them.
Omitted = frozenset[tuple[str, ...]]
NOTHING_OMITTED: Omitted = frozenset()


class Schemas:
    """The components of one document; they come into being when something refers to them."""

    def __init__(self, contract: Contract, names: SchemaNames) -> None:
        self._contract = contract
        self._names = names
        self._components: dict[str, Schema] = {}
        self._values = Values(contract, names, self._components, self._message_component)

    def components(self) -> dict[str, Schema]:
        """Every component that was referred to, by name in alphabetical order."""
        return dict(sorted(self._components.items()))

    def message(self, message: Descriptor, form: Form, *, checked: bool = True) -> Schema:
        """The schema of a message: a reference, or the whole of a well-known one.

        Rules do not bind one that is not `checked`, nor what is in it.
        """
        return self._values.message(message, NO_RULES, form, checked=checked)

    def add(self, name: str, schema: Schema) -> Schema:
        """Adds a component under a name that was asked of `SchemaNames`; returns a reference."""
        self._components[name] = schema
        return reference(name)

    def object(
        self,
        message: Descriptor,
        form: Form,
        *,
        checked: bool = True,
        omitted: Omitted = NOTHING_OMITTED,
        partial: bool = False,
    ) -> Schema:
        """The object itself. A `partial` one demands no field."""
        properties: dict[str, Schema] = {}
        required: list[str] = []
        begun = {path[0] for path in omitted}
        given = {field.name for field in message.fields if field.json_name in begun}
        for field in self._shown(message, form, ruled_out(message, given)):
            if (field.json_name,) in omitted:
                continue
            below = frozenset(path[1:] for path in omitted if path[0] == field.json_name and len(path) > 1)
            properties[field.json_name] = self.property(field, form, checked=checked, omitted=below)
            if self._is_demanded(field, form, checked) and not partial and not below:
                required.append(field.json_name)
        schema: Schema = {"type": "object", "properties": properties}
        if required:
            schema["required"] = required
        if form is Form.INPUT:
            schema["additionalProperties"] = False
            schema |= exclusions(self._contract, message, properties, given)
        return self._object_words(message, form, checked) | schema

    def _shown(self, message: Descriptor, form: Form, left_out: Collection[str]) -> Iterator[FieldDescriptor]:
        """The fields that have a place on this side, without those that are left out."""
        shows = is_output if form is Form.OUTPUT else is_input
        yield from (
            field for field in message.fields if field.name not in left_out and shows(self._contract, field)
        )

    def property(
        self,
        field: FieldDescriptor,
        form: Form,
        *,
        checked: bool = True,
        omitted: Omitted = NOTHING_OMITTED,
    ) -> Schema:
        """A field's schema with its words. What is not demanded of a request may be null there."""
        rules = rules_of(self._contract, field) if checked else NO_RULES
        if rules.ignores_all:
            rules, checked = NO_RULES, False
        schema = self.field(field, rules, form, checked=checked, omitted=omitted)
        if form is Form.INPUT and not self._is_demanded(field, form, checked):
            schema = nullable(schema)
        return {**schema, **self._field_words(field, rules, form)}

    def field(
        self,
        field: FieldDescriptor,
        rules: Rules,
        form: Form,
        *,
        checked: bool = True,
        omitted: Omitted = NOTHING_OMITTED,
    ) -> Schema:
        """The schema of a field's value under these rules, without words."""
        if omitted and field.message_type is not None:
            return self.object(field.message_type, form, checked=checked, omitted=omitted)
        return self._values.of(field, rules, form, checked=checked)

    def _message_component(self, message: Descriptor, form: Form, checked: bool) -> Schema:
        name = self._names.of(message, form, checked=checked)
        if name not in self._components:
            self._components[name] = {}  # before its fields: a message may contain itself
            self._components[name] = self.object(message, form, checked=checked)
        return reference(name)

    def _is_demanded(self, field: FieldDescriptor, form: Form, checked: bool) -> bool:
        if form is Form.OUTPUT:
            return field.is_repeated or field.is_required or not field.has_presence
        if not checked:
            return field.is_required
        return is_required(self._contract, field, rules_of(self._contract, field))

    def _object_words(self, message: Descriptor, form: Form, checked: bool) -> Schema:
        words: Schema = {}
        description = [self._contract.comment(message.full_name)]
        rules = message_rules_of(self._contract, message) if form is Form.INPUT and checked else ()
        description += [f"Rule: {rule.message}." for rule in rules if rule.message]
        if form is Form.INPUT and not checked:
            description.append(
                "Its rules are not judged here but by the method, which answers what they find."
            )
        text = paragraphs(*description)
        if text:
            words["description"] = text
        if rules:
            words["x-rules"] = [rule.document() for rule in rules]
        if message.has_options and message.GetOptions().deprecated:
            words["deprecated"] = True
        return words

    def _field_words(self, field: FieldDescriptor, rules: Rules, form: Form) -> Schema:
        spoken: Iterable[str] = ()
        words: Schema = marks(self._contract, field, form)
        examples = examples_of(field, rules_of(self._contract, field))
        if examples:
            words["examples"] = examples
        if form is not Form.OUTPUT:
            unsaid = [rule for rule in rules.cel if rule.pattern is None]
            spoken = [f"Rule: {rule.message}." for rule in unsaid if rule.message]
            if field.message_type is not None:
                spoken = [*spoken, *rules_in_words(field.message_type, rules)]
            if unsaid:
                words["x-rules"] = [rule.document() for rule in unsaid]
        text = paragraphs(self._contract.comment(field.full_name), *spoken)
        return {"description": text, **words} if text else words
