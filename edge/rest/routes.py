"""Reads `google.api.http` rules from service descriptors and refuses the ones that could never work right.

A route here is only what the contract says; `gateway` turns it into something that can be called.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor

from edge.rest.fields import (
    HTTP_BODY,
    FieldPath,
    fields_by_any_name,
    is_raw,
    real_oneof,
    resolve_path,
    takes_text,
)
from edge.rest.matcher import RuleTree, SameShapeError
from edge.rest.templates import Template, TemplateError, Variable, parse_template

WHOLE_BODY = "*"

# A token of RFC 9110; that of any method, `*`, is one.
_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)


class BadRuleError(ValueError):
    """A rule that the gateway refuses to start with; the message names the method and the reason."""

    def __init__(self, method: MethodDescriptor, reason: str) -> None:
        super().__init__(f"{method.full_name}: {reason}")


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One HTTP rule of one RPC. `body` and `response_body` are None where the rule names none."""

    rpc: MethodDescriptor
    http_method: str
    template: Template
    path_fields: tuple[tuple[Variable, FieldPath], ...]
    takes_whole_body: bool
    body: FieldDescriptor | None
    response_body: FieldDescriptor | None

    @property
    def rpc_path(self) -> str:
        """The RPC's name on the wire."""
        return f"/{self.rpc.containing_service.full_name}/{self.rpc.name}"

    @property
    def takes_body(self) -> bool:
        """Whether anything in the request message comes from the body."""
        return self.takes_whole_body or self.body is not None

    @property
    def raw_body(self) -> bool:
        """Whether the body is taken as it is, whatever its media type."""
        if self.takes_whole_body:
            return self.rpc.input_type.full_name == HTTP_BODY
        return self.body is not None and is_raw(self.body)


def read_routes(services: Iterable[ServiceDescriptor]) -> RuleTree[Route]:
    """Every rule of these services, ready to be searched. Raises `BadRuleError`."""
    tree: RuleTree[Route] = RuleTree()
    for service in services:
        for method in service.methods:
            for route in _routes_of(method):
                try:
                    tree.add(route.http_method, route.template, route)
                except SameShapeError as error:
                    other = error.other
                    taken_by = other.rpc.full_name if isinstance(other, Route) else "another method"
                    raise BadRuleError(method, f"{taken_by} has a rule of the same shape") from error
    return tree


def _routes_of(method: MethodDescriptor) -> Iterator[Route]:
    options = method.GetOptions()
    if not options.HasExtension(annotations_pb2.http):
        return
    rule = options.Extensions[annotations_pb2.http]
    if rule.selector not in {"", method.full_name}:
        raise BadRuleError(method, f"the rule's selector names another method, {rule.selector}")
    if method.client_streaming:
        raise BadRuleError(method, "an HTTP request cannot become a stream of messages")
    yield _route(method, rule)
    for binding in rule.additional_bindings:
        if binding.additional_bindings:
            raise BadRuleError(method, "additional bindings must not be nested")
        if binding.selector:
            raise BadRuleError(method, "an additional binding must not have a selector")
        yield _route(method, binding)


def _route(method: MethodDescriptor, rule: http_pb2.HttpRule) -> Route:
    http_method, path = _pattern(method, rule)
    try:
        template = parse_template(path)
    except TemplateError as error:
        raise BadRuleError(method, f"the template {path!r} is wrong: {error}") from error
    if rule.body and http_method in {"GET", "HEAD"}:
        raise BadRuleError(method, f"{http_method} must not have a body")
    route = Route(
        rpc=method,
        http_method=http_method,
        template=template,
        path_fields=tuple((variable, _path_field(method, variable)) for variable in template.variables),
        takes_whole_body=rule.body == WHOLE_BODY,
        body=_named_field(method, method.input_type, rule.body, "body"),
        response_body=_named_field(method, method.output_type, rule.response_body, "response_body"),
    )
    _refuse_bound_twice(route)
    _refuse_two_of_one(route)
    return route


def _pattern(method: MethodDescriptor, rule: http_pb2.HttpRule) -> tuple[str, str]:
    kind = rule.WhichOneof("pattern")
    if kind is None:
        raise BadRuleError(method, "the rule has no method and path")
    if kind == "custom":
        if not _METHOD.fullmatch(rule.custom.kind):
            raise BadRuleError(method, f"the custom pattern's kind {rule.custom.kind!r} is no HTTP method")
        return rule.custom.kind.upper(), rule.custom.path
    return kind.upper(), getattr(rule, kind)


def _path_field(method: MethodDescriptor, variable: Variable) -> FieldPath:
    name = ".".join(variable.field_path)
    try:
        path = resolve_path(method.input_type, variable.field_path)
    except LookupError as error:
        raise BadRuleError(method, f"the path cannot bind {name}: {error}") from error
    if path.leaf.is_repeated or not takes_text(path.leaf):
        raise BadRuleError(method, f"the path cannot bind {name}: it must be a singular scalar")
    if variable.spans_segments and path.leaf.type != FieldDescriptor.TYPE_STRING:
        raise BadRuleError(method, f"the path cannot bind {name}: only a string holds several segments")
    return path


def _named_field(
    method: MethodDescriptor, message: Descriptor, name: str, what: str
) -> FieldDescriptor | None:
    if not name or (name == WHOLE_BODY and what == "body"):
        return None
    if name not in fields_by_any_name(message):
        raise BadRuleError(method, f"{what} names {name}, which {message.full_name} does not have")
    return fields_by_any_name(message)[name]


def _refuse_bound_twice(route: Route) -> None:
    paths = [path.names for _, path in route.path_fields]
    if route.body is not None:
        paths.append((route.body.name,))
    for names in paths:
        if paths.count(names) > 1:
            raise BadRuleError(route.rpc, f"{'.'.join(names)} is bound twice")


def _refuse_two_of_one(route: Route) -> None:
    """No request could give two members of a oneof, and the path always gives all of its own."""
    chosen: dict[tuple[str, ...], str] = {}
    for _, path in route.path_fields:
        for depth, oneof in enumerate((*path.oneofs, real_oneof(path.leaf))):
            name = path.names[depth]
            if oneof is not None and chosen.setdefault((*path.names[:depth], oneof), name) != name:
                raise BadRuleError(route.rpc, f"the path binds two fields of the oneof {oneof}")
