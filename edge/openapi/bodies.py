"""Request bodies and successful answers: media types and schemas."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor

from edge.openapi.contract import Contract
from edge.openapi.field_facts import is_required
from edge.openapi.masks import lone_mask
from edge.openapi.problems import header
from edge.openapi.rules import NO_RULES, exclusive_fields_of, rules_of
from edge.openapi.schema_names import SchemaNames
from edge.openapi.schemas import Omitted, Schemas
from edge.openapi.shapes import Form, Schema, nullable, reference
from edge.openapi.well_known import is_well_known
from edge.rest.fields import is_plain_message
from edge.rest.framing import EVENTS, LINES
from edge.rest.rendering import JSON_TYPE, answers_raw
from edge.rest.routes import Route

_ANY_TYPE = "*/*"


class Bodies:
    """Describes bodies with the schemas of one document."""

    def __init__(self, contract: Contract, schemas: Schemas, names: SchemaNames) -> None:
        self._contract = contract
        self._schemas = schemas
        self._names = names
        # Bodies without the fields that the path gives, by what they are made of: rules may share one.
        self._own: dict[tuple[str, Omitted, bool], Schema] = {}

    def request(self, route: Route) -> dict[str, Any] | None:
        """The request body, None for a rule that takes none."""
        if not route.takes_body:
            return None
        described: dict[str, Any] = {}
        if route.body is not None:
            comment = self._contract.comment(route.body.full_name)
            described |= {"description": comment} if comment else {}
        if route.raw_body:
            return {**described, "content": {_ANY_TYPE: {}}}
        schema, is_demanded = self._whole(route) if route.body is None else self._field(route)
        described["content"] = {JSON_TYPE: {"schema": schema}}
        return {**described, "required": True} if is_demanded else described

    def answer(self, route: Route) -> dict[str, Any]:
        """The response of status 200."""
        is_whole = not route.rpc.server_streaming
        headers = header("X-Request-Id")
        if is_whole and route.http_method == "GET":
            headers |= header("ETag")
        described: dict[str, Any] = {"description": self._answer_words(route), "headers": headers}
        if answers_raw(route):
            return {**described, "content": {_ANY_TYPE: {}}}
        schema = self._answered(route)
        return {**described, "content": {JSON_TYPE: {"schema": schema}} if is_whole else _stream(schema)}

    def _whole(self, route: Route) -> tuple[Schema, bool]:
        omitted = frozenset(_json_names(route.rpc.input_type, path.names) for _, path in route.path_fields)
        schema = self._object(route, route.rpc.input_type, omitted, partial=False)
        return schema, self._demands_something(route.rpc.input_type, omitted)

    def _field(self, route: Route) -> tuple[Schema, bool]:
        field = route.body
        assert field is not None  # noqa: S101 - the caller has looked
        rules = rules_of(self._contract, field)
        is_demanded = is_required(self._contract, field, rules)
        message = field.message_type
        if message is None or field.is_repeated or not is_plain_message(field):
            unchecked = rules.ignores_all
            schema = self._schemas.field(
                field, NO_RULES if unchecked else rules, Form.INPUT, checked=not unchecked
            )
            return (schema, True) if is_demanded else (nullable(schema), False)
        omitted = frozenset(
            _json_names(route.rpc.input_type, path.names)[1:]
            for _, path in route.path_fields
            if path.names[0] == field.name
        )
        # An update that names nothing changes nothing: it demands no body.
        partial = lone_mask(route) is not None
        if rules.ignores_all and not partial:
            return self._schemas.message(message, Form.INPUT, checked=False), is_demanded
        return self._object(route, message, omitted, partial=partial), is_demanded and not partial

    def _object(self, route: Route, message: Descriptor, omitted: Omitted, *, partial: bool) -> Schema:
        """The message's component; one of the route's own where fields are left out or none is demanded."""
        if not omitted and not partial:
            return self._schemas.message(message, Form.INPUT)
        key = (message.full_name, omitted, partial)
        if key not in self._own:
            schema = self._schemas.object(message, Form.INPUT, omitted=omitted, partial=partial)
            self._own[key] = self._schemas.add(self._names.free(f"{route.rpc.name}Body"), schema)
        return self._own[key]

    def _demands_something(self, message: Descriptor, omitted: Omitted) -> bool:
        elsewhere = {path[0] for path in omitted}
        return any(
            is_required(self._contract, field, rules_of(self._contract, field))
            for field in message.fields
            if field.json_name not in elsewhere
        ) or any(
            exclusive.one_is_required
            and not elsewhere & {message.fields_by_name[name].json_name for name in exclusive.fields}
            for exclusive in exclusive_fields_of(self._contract, message)
        )

    def _answered(self, route: Route) -> Schema:
        field = route.response_body
        if field is None:
            return self._schemas.message(route.rpc.output_type, Form.OUTPUT)
        schema = self._schemas.field(field, rules_of(self._contract, field), Form.OUTPUT)
        return nullable(schema) if field.has_presence else schema

    def _answer_words(self, route: Route) -> str:
        answered: Any = route.rpc.output_type if route.response_body is None else route.response_body
        # What a well-known type says of itself is for those who write contracts.
        says_nothing = answers_raw(route) or (route.response_body is None and is_well_known(answered))
        comment = "" if says_nothing else self._contract.comment(answered.full_name)
        if route.rpc.server_streaming:
            return f"A stream, one message after the other. {comment}".strip()
        return comment or "Done."


def _stream(schema: Schema) -> dict[str, Any]:
    """Both framings of a stream of such messages, and how each of them breaks off."""
    broken = {
        "type": "object",
        "description": "The last line of a stream that broke.",
        "properties": {"error": reference("Problem")},
        "required": ["error"],
    }
    events = "Each event's data is one such object; `error` events carry a problem, `end` is the last one."
    return {
        LINES.media_type: {"schema": {"anyOf": [schema, broken]}, "x-stream": True},
        EVENTS.media_type: {
            "schema": {"type": "string", "description": events},
            "x-stream": True,
            "x-event-schema": schema,
        },
    }


def _json_names(message: Descriptor, names: tuple[str, ...]) -> tuple[str, ...]:
    found: list[str] = []
    current: Descriptor | None = message
    for name in names:
        assert current is not None  # noqa: S101 - the route's paths were resolved
        field = current.fields_by_name[name]
        found.append(field.json_name)
        current = field.message_type
    return tuple(found)
