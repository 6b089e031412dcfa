"""The door to every translated RPC: finds the route of a request, calls, answers. Knows no domain.

Mount `Gateway.handle` at `EVERY_PATH`, for every method.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Sequence

import grpc
from aiohttp import web
from google.protobuf.descriptor import ServiceDescriptor

from edge.problems import Problem
from edge.request_keys import REQUEST_ID, ROUTE
from edge.rest.endpoint import Endpoint
from edge.rest.json_reader import JsonReaders
from edge.rest.json_writer import JsonWriters
from edge.rest.matcher import Match
from edge.rest.routes import Route, read_routes
from edge.rest.target import Segment, path_segments, query_parameters, split_target
from edge.rest.upstream import Deadline, Metadata, forward_allowed, sendable

DEFAULT_DEADLINE_S = 10.0
# Matches line feeds too: aiohttp decodes before it matches, and would answer `%0A` itself with a 404.
EVERY_PATH = "/{tail:(?s:.*)}"


class Gateway:
    """Translates REST requests into RPCs of the given services.

    Raises `BadRuleError` when a service has an HTTP rule that cannot work. The channel stays the caller's to
    close; retries are its service config's business. `default_deadline` is in seconds, from the arrival of
    the request's head to the last byte of the RPC's answer.
    """

    def __init__(
        self,
        services: Iterable[ServiceDescriptor],
        channel: grpc.aio.Channel,
        *,
        default_deadline: float = DEFAULT_DEADLINE_S,
        forward_metadata: Callable[[web.Request], Metadata] = forward_allowed,
    ) -> None:
        self._routes = read_routes(services)
        readers, writers = JsonReaders(), JsonWriters()
        self._endpoints = {
            route: Endpoint(route, channel, readers, writers) for route in self._routes.rules()
        }
        self._default_deadline = default_deadline
        self._forward_metadata = forward_metadata

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; a refusal is an answer too. Sets `request[ROUTE]` to the RPC's name."""
        deadline = Deadline(self._default_deadline)
        request_id = request.setdefault(REQUEST_ID, str(uuid.uuid4()))
        try:
            return await self._translate(request, deadline)
        except Problem as problem:
            return problem.response(request_id)

    async def _translate(self, request: web.Request, deadline: Deadline) -> web.StreamResponse:
        path, raw_query = split_target(request.raw_path)
        segments = path_segments(path)
        match = self._routes.find(request.method, segments)
        if match is None:
            return self._without_route(request.method, segments)
        endpoint = self._endpoints[match.rule]
        request[ROUTE] = endpoint.name
        text = await _body_in_time(endpoint, request, deadline)
        payload = _payload(endpoint, match, raw_query, text, request.headers.get("Content-Type", ""))
        metadata = sendable(self._forward_metadata(request))
        answer = endpoint.stream if endpoint.streams else endpoint.answer
        return await answer(request, payload, metadata, deadline)

    def _without_route(self, method: str, segments: Sequence[Segment]) -> web.Response:
        allowed = ", ".join(self._routes.allowed(segments))
        if not allowed:
            raise Problem(404, detail="There is nothing at this path.", code="NOT_FOUND")
        if method == "OPTIONS":
            return web.Response(status=204, headers={"Allow": allowed})
        raise Problem(405, detail="This path answers other methods.", headers={"Allow": allowed})


async def _body_in_time(endpoint: Endpoint, request: web.Request, deadline: Deadline) -> bytes:
    """The body, unless it trickles in for longer than the whole request may take. Raises `Problem`."""
    try:
        async with asyncio.timeout(deadline.remaining()):
            return await endpoint.body.read(request)
    except TimeoutError:
        raise Problem(
            408,
            detail="The body did not arrive in time.",
            code="DEADLINE_EXCEEDED",
            headers={"Connection": "close"},
        ) from None


def _payload(endpoint: Endpoint, match: Match[Route], raw_query: str, text: bytes, media_type: str) -> bytes:
    return endpoint.request_bytes(match.captures, query_parameters(raw_query), text, media_type)
