"""One HTTP rule as an OpenAPI operation: words, parameters, body, answers, and marks for programs."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from edge.openapi.bodies import Bodies
from edge.openapi.comments import paragraphs, summary_of
from edge.openapi.contract import Contract
from edge.openapi.parameters import Parameters
from edge.openapi.paths import DescribedPath
from edge.openapi.problems import header, refusals, spoken_reasons
from edge.openapi.schemas import Schemas
from edge.openapi.security import is_public, roles_of, security_of
from edge.rest.fields import fields_by_any_name
from edge.rest.routes import Route

_DEADLINE = "millrace.rpc.v1.deadline"
_DEFAULT_DEADLINE_S = 10.0
_BODY_STATUSES = ("408", "413", "415")


class Operations:
    """Describes the operations of one document."""

    def __init__(self, contract: Contract, schemas: Schemas, bodies: Bodies) -> None:
        self._contract = contract
        self._bodies = bodies
        self._parameters = Parameters(contract, schemas)

    def of(self, route: Route, path: DescribedPath, operation_id: str, tag: str) -> dict[str, Any]:
        method = route.rpc
        comment = self._contract.comment(method.full_name)
        operation: dict[str, Any] = {"operationId": operation_id, "tags": [tag]}
        if comment:
            operation["summary"] = summary_of(comment)
        description = paragraphs(comment, self._callers(method))
        if description:
            operation["description"] = description
        parameters = self._parameters.of(route, path)
        if parameters:
            operation["parameters"] = parameters
        body = self._bodies.request(route)
        if body is not None:
            operation["requestBody"] = body
        operation["responses"] = self._responses(route, comment)
        if method.GetOptions().deprecated or method.containing_service.GetOptions().deprecated:
            operation["deprecated"] = True
        return operation | security_of(self._contract, method) | self._extensions(route, comment)

    def _callers(self, method: MethodDescriptor) -> str:
        roles = roles_of(self._contract, method)
        if is_public(self._contract, method):
            return "Open to everybody."
        return f"Callers: {', '.join(roles)}." if roles else ""

    def _responses(self, route: Route, comment: str) -> dict[str, Any]:
        spoken = spoken_reasons(comment)
        statuses = {"400", "429", "500", "503", "504", *spoken} - {"499", "501"}
        if self._contract.declares("millrace.auth.v1.access") and not is_public(self._contract, route.rpc):
            statuses |= {"401", "403"}
        if route.path_fields:
            statuses.add("404")
        if route.takes_body:
            statuses |= set(_BODY_STATUSES)
        answers = {"200": self._bodies.answer(route)}
        if route.http_method == "GET" and not route.rpc.server_streaming:
            answers["304"] = {
                "description": "The caller has this content already.",
                "headers": header("X-Request-Id") | header("ETag"),
            }
        return answers | refusals([*sorted(statuses), "default"], spoken)

    def _extensions(self, route: Route, comment: str) -> dict[str, Any]:
        method = route.rpc
        level = method.GetOptions().idempotency_level
        found: dict[str, Any] = {
            "x-rpc": method.full_name,
            "x-idempotent": level in (MethodOptions.IDEMPOTENT, MethodOptions.NO_SIDE_EFFECTS),
        }
        if self._contract.declares(_DEADLINE):
            deadline = self._contract.option(method, _DEADLINE)
            seconds = _DEFAULT_DEADLINE_S if deadline is None else deadline.seconds + deadline.nanos / 1e9
            found["x-deadline-seconds"] = int(seconds) if seconds.is_integer() else seconds
        pages = _pagination(method)
        if pages:
            found["x-pagination"] = pages
        reasons = {status: names for status, names in spoken_reasons(comment).items() if names}
        return {**found, "x-reasons": reasons} if reasons else found


def _pagination(method: MethodDescriptor) -> dict[str, str]:
    """The members that carry a list from page to page; empty for a method that has none."""
    asked, answered = fields_by_any_name(method.input_type), fields_by_any_name(method.output_type)
    if not ({"page_size", "page_token"} <= asked.keys() and "next_page_token" in answered):
        return {}
    lists = [field.json_name for field in method.output_type.fields if field.is_repeated]
    if len(lists) != 1:
        return {}
    return {
        "pageSize": asked["page_size"].json_name,
        "pageToken": asked["page_token"].json_name,
        "nextPageToken": answered["next_page_token"].json_name,
        "items": lists[0],
    }
