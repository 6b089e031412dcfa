"""Path and query parameters of a route, exactly those that the translator takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from edge.openapi.comments import paragraphs
from edge.openapi.contract import Contract
from edge.openapi.examples import examples_of
from edge.openapi.field_facts import is_input, is_required, marks
from edge.openapi.masks import describe_mask, lone_mask
from edge.openapi.objects import ruled_out
from edge.openapi.paths import DescribedPath, PathParameter, template_text
from edge.openapi.patterns import CONTROL_FREE, PATH_SEGMENT
from edge.openapi.rules import NO_RULES, Rules, rules_of
from edge.openapi.schemas import Schemas
from edge.openapi.shapes import Form, Schema, both
from edge.openapi.well_known import rules_in_words
from edge.rest.fields import is_plain_message, takes_text
from edge.rest.routes import Route
from edge.rest.target import MAX_QUERY_PARAMETERS

Parameter = dict[str, Any]


class Parameters:
    """Describes parameters with the schemas of one document."""

    def __init__(self, contract: Contract, schemas: Schemas) -> None:
        self._contract = contract
        self._schemas = schemas

    def of(self, route: Route, path: DescribedPath) -> list[Parameter]:
        """Path parameters in their order, then query parameters in the order of the fields."""
        return [*(self._in_path(route, parameter) for parameter in path.parameters), *self._in_query(route)]

    def _in_path(self, route: Route, parameter: PathParameter) -> Parameter:
        described: Parameter = {"name": parameter.name, "in": "path", "required": True}
        if parameter.field is None or parameter.variable is None:
            words = "Any segments." if parameter.takes_rest else "Any one segment."
            return {**described, "description": words, "schema": {"type": "string", "pattern": PATH_SEGMENT}}
        field = parameter.field.leaf
        comment = self._contract.comment(field.full_name)
        if parameter.variable.spans_segments:
            pattern = template_text(route.template, parameter.variable)
            return {
                **described,
                "description": paragraphs(comment, _spanning_words(parameter, pattern)),
                "schema": {"type": "string", "pattern": PATH_SEGMENT},
                "x-captured-by": pattern,
                **({"x-multi-segment": True} if parameter.takes_rest else {}),
            }
        rules = rules_of(self._contract, field)
        schema = self._schemas.field(field, rules, Form.TEXT)
        if field.type != FieldDescriptor.TYPE_STRING:
            # Of no bytes or no fields, the text would be empty, which no segment is.
            schema = {**schema, "minLength": 1} if schema.get("type") == "string" else schema
        elif "enum" not in schema and "format" not in schema:
            schema = _as_segment(schema)
        schema = _with_examples(schema, field, rules)
        return _with(described, comment, schema, marks(self._contract, field, Form.TEXT))

    def _in_query(self, route: Route) -> Iterator[Parameter]:
        if route.takes_whole_body:
            return
        bound = {path.names for _, path in route.path_fields}
        if route.body is not None:
            bound.add((route.body.name,))
        mask = lone_mask(route)
        for names, field, demanded in self._fields(route.rpc.input_type, bound):
            name = ".".join(names)
            if field == mask:
                yield self._mask(name, field, route)
                continue
            parameter = self._query_parameter(name, field)
            yield {**parameter, "required": True} if demanded else parameter

    def _query_parameter(self, name: str, field: FieldDescriptor) -> Parameter:
        rules = rules_of(self._contract, field)
        if rules.ignores_all:
            rules = NO_RULES
        schema = self._schemas.field(field, rules, Form.TEXT)
        if field.is_repeated:
            schema["maxItems"] = min(schema.get("maxItems", MAX_QUERY_PARAMETERS), MAX_QUERY_PARAMETERS)
        schema = _with_examples(schema, field, rules)
        words = paragraphs(self._contract.comment(field.full_name), *_rule_words(field, rules))
        described = _with(
            {"name": name, "in": "query"}, words, schema, marks(self._contract, field, Form.TEXT)
        )
        return {**described, "style": "form", "explode": True} if field.is_repeated else described

    def _mask(self, name: str, field: FieldDescriptor, route: Route) -> Parameter:
        words, schema = describe_mask(self._contract, route, field)
        return _with({"name": name, "in": "query"}, words, schema)

    def _fields(
        self,
        message: Descriptor,
        bound: set[tuple[str, ...]],
        above: tuple[FieldDescriptor, ...] = (),
        demanded: bool = True,
    ) -> Iterator[tuple[tuple[str, ...], FieldDescriptor, bool]]:
        """JSON names from the request down to each field that text can spell, with whether it is demanded.

        A message within itself is not entered again, although the translator would take any depth.
        """
        given = {names[len(above)] for names in bound if _is_below(names, above)}
        left_out = ruled_out(message, given)
        for field in message.fields:
            way = (*above, field)
            if tuple(step.name for step in way) in bound or field.name in left_out:
                continue
            if not is_input(self._contract, field):
                continue
            needed = demanded and is_required(self._contract, field, rules_of(self._contract, field))
            if takes_text(field):
                yield tuple(step.json_name for step in way), field, needed
            elif is_plain_message(field) and not field.is_repeated and field.message_type is not None:
                entered = {step.message_type for step in above} | {message}
                if field.message_type not in entered:
                    yield from self._fields(field.message_type, bound, way, needed)


def _is_below(names: tuple[str, ...], above: tuple[FieldDescriptor, ...]) -> bool:
    """Whether the path of proto names goes through these fields and on."""
    return len(names) > len(above) and names[: len(above)] == tuple(step.name for step in above)


def _with_examples(schema: Schema, field: FieldDescriptor, rules: Rules) -> Schema:
    examples = examples_of(field, rules)
    return {**schema, "examples": examples} if examples else schema


def _with(parameter: Parameter, description: str, schema: Schema, marked: Schema | None = None) -> Parameter:
    words = {"description": description} if description else {}
    return {**parameter, **words, **(marked or {}), "schema": schema}


def _as_segment(schema: Schema) -> Schema:
    """Free text in a path: not empty, no dot segment, no control characters."""
    own = {key: value for key, value in schema.items() if value != CONTROL_FREE}
    return both({**own, "minLength": max(1, own.get("minLength", 0))}, {"pattern": PATH_SEGMENT})


def _spanning_words(parameter: PathParameter, pattern: str) -> str:
    if parameter.takes_rest:
        return "May be several segments (or none): slashes between them stand as they are, not as `%2F`."
    return f"The path captures `{pattern}` as one value, of which this is a part."


def _rule_words(field: FieldDescriptor, rules: Rules) -> list[str]:
    said = [f"Rule: {rule.message}." for rule in rules.cel if rule.message and rule.pattern is None]
    return [*said, *(rules_in_words(field.message_type, rules) if field.message_type is not None else [])]
