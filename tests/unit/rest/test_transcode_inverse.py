"""The gateway undoes what `google.api_core` does: the server gets the message that the client meant."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest
from google.api import annotations_pb2
from google.api_core import path_template, rest_helpers
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.rest.routes import Route, read_routes
from edge.rest.templates import parse_template
from tests.unit.rest.drawn_requests import requests
from tests.unit.rest.probe import Probe, probe_service
from tests.unit.rest.routed import echoing

many = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))


def _routes() -> list[Route]:
    """The probe's routes, those of plain requests and answers."""
    odd = {"EchoRaw", "PutFile", "PutFiles", "Search", "PatchNested", "PatchFree"}
    return [
        route
        for route in read_routes([probe_service()]).rules()
        if not route.rpc.server_streaming and route.rpc.name not in odd
    ]


ROUTES = _routes()


def rule_of(route: Route) -> dict[str, str]:
    """The rule as Google's transcoder takes it."""
    rule = route.rpc.GetOptions().Extensions[annotations_pb2.http]
    for binding in (rule, *rule.additional_bindings):
        kind = binding.WhichOneof("pattern")
        if kind.upper() == route.http_method and parse_template(getattr(binding, kind)) == route.template:
            found = {"method": kind, "uri": getattr(binding, kind)}
            return found | ({"body": binding.body} if binding.body else {})
    raise LookupError(route)


@pytest.fixture(scope="module")
async def subject() -> AsyncIterator[Probe]:
    async with echoing([probe_service()]) as probe:
        yield probe


@many
@given(st.data())
async def test_the_server_gets_what_the_client_sent(subject: Probe, data: st.DataObject) -> None:
    route = data.draw(st.sampled_from(ROUTES))
    sent = data.draw(requests(route))

    transcoded = path_template.transcode([rule_of(route)], message=sent)  # type: ignore[no-untyped-call]
    await _send(subject, route.rpc, transcoded)

    received = type(sent).FromString(subject.server.received.pop())
    assert received == _as_read(sent, received, route)


async def _send(subject: Probe, method: MethodDescriptor, transcoded: dict[str, Any]) -> None:
    """As Google's generated REST clients do."""
    body = transcoded.get("body")
    query = rest_helpers.flatten_query_params(  # type: ignore[no-untyped-call]
        json.loads(json_format.MessageToJson(transcoded["query_params"])), strict=True
    )
    options: dict[str, Any] = {}
    if body is not None:
        options = {"data": _body_json(body), "headers": {"Content-Type": "application/json"}}
    path = transcoded["uri"] + (f"?{urlencode(query)}" if query else "")
    answer = await subject.ask(transcoded["method"].upper(), path, **options)
    assert answer.status == 200, (method.name, path, options, answer.body)


def _body_json(body: Any) -> str:
    if isinstance(body, str):
        return json.dumps(body)
    if hasattr(body, "DESCRIPTOR"):
        return json_format.MessageToJson(body)
    return json.dumps([json_format.MessageToDict(one) for one in body])


def _as_read(sent: Any, received: Any, route: Route) -> Any:
    """What was sent, and what goes without saying: that there was a body, and a PATCH's mask."""
    expected = type(sent)()
    expected.CopyFrom(sent)
    if route.body is not None and route.body.message_type is not None and not route.body.is_repeated:
        getattr(expected, route.body.name).SetInParent()
    if route.http_method == "PATCH" and not sent.update_mask.paths:
        expected.update_mask.CopyFrom(received.update_mask)
    return expected
