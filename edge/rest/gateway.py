"""The door to every translated RPC: finds the route of a request, calls, answers. Knows no domain.

Mount `Gateway.handle` at `EVERY_PATH`, for every method.
"""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import Callable, Iterable, Sequence

import grpc
from aiohttp import web
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from edge.problems import Problem
from edge.request_keys import REQUEST_ID, ROUTE
from edge.rest.calls import CallsUnderWay
from edge.rest.endpoint import Endpoint
from edge.rest.json_reader import JsonReaders
from edge.rest.json_writer import JsonWriters
from edge.rest.outages import Outages
from edge.rest.routes import read_routes
from edge.rest.streaming import StreamPace
from edge.rest.target import Segment, path_segments, query_parameters, split_target
from edge.rest.upstream import Deadline, Metadata, forward_allowed, sendable

DEFAULT_DEADLINE_S = 10.0
# Matches line feeds too: aiohttp decodes before it matches, and would answer `%0A` itself with a 404.
EVERY_PATH = "/{tail:(?s:.*)}"

# Seconds that a request for the method may take, `math.inf` for no end of them.
DeadlineOf = Callable[[MethodDescriptor], float]


def unary_within(seconds: float) -> DeadlineOf:
    """One deadline for all methods but streams, which end when their service or their client ends them."""
    return lambda method: math.inf if method.server_streaming else seconds


USUAL_DEADLINE = unary_within(DEFAULT_DEADLINE_S)
USUAL_PACE = StreamPace()


class Gateway:
    """Translates REST requests into RPCs of the given services.

    Raises `BadRuleError` when a service has an HTTP rule that cannot work. The channel stays the caller's to
    close; retries are its service config's business. A deadline runs from the arrival of the request's head
    to the last byte of the RPC's answer; a stream that it cuts says so. Once `is_stopping` is true, streams
    are ended so that their clients connect to somebody else.
    """

    def __init__(
        self,
        services: Iterable[ServiceDescriptor],
        channel: grpc.aio.Channel,
        *,
        deadline_of: DeadlineOf = USUAL_DEADLINE,
        forward_metadata: Callable[[web.Request], Metadata] = forward_allowed,
        is_stopping: Callable[[], bool] = lambda: False,
        stream_pace: StreamPace = USUAL_PACE,
    ) -> None:
        self._routes = read_routes(services)
        calls = CallsUnderWay(is_stopping)
        converters = _Converters()
        self._endpoints = {
            route: Endpoint(
                route,
                channel,
                *converters.of(route.rpc),
                calls,
                deadline=deadline_of(route.rpc),
                pace=stream_pace,
            )
            for route in self._routes.rules()
        }
        self._outages = Outages(channel)
        self._forward_metadata = forward_metadata

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; a refusal is an answer too. Sets `request[ROUTE]` to the RPC's name."""
        if REQUEST_ID not in request:
            request[REQUEST_ID] = str(uuid.uuid4())
        try:
            return await self._translate(request)
        except Problem as problem:
            return problem.response(request[REQUEST_ID])

    async def _translate(self, request: web.Request) -> web.StreamResponse:
        path, raw_query = split_target(request.raw_path)
        segments = path_segments(path)
        match = self._routes.find(request.method, segments)
        if match is None:
            return self._without_route(request.method, segments)
        endpoint = self._endpoints[match.rule]
        request[ROUTE] = endpoint.name
        deadline = Deadline(endpoint.deadline)
        text = await _body_in_time(endpoint, request, deadline) if request.body_exists else b""
        payload = endpoint.request_bytes(
            match.captures, query_parameters(raw_query), text, request.headers.get("Content-Type", "")
        )
        metadata = sendable(self._forward_metadata(request))
        await self._outages.wait_out(deadline.remaining())
        return await endpoint.answer(request, payload, metadata, deadline)

    def _without_route(self, method: str, segments: Sequence[Segment]) -> web.Response:
        allowed = ", ".join(self._routes.allowed(segments))
        if not allowed:
            raise Problem(404, detail="There is nothing at this path.")
        if method == "OPTIONS":
            return web.Response(status=204, headers={"Allow": allowed})
        raise Problem(405, detail="This path answers other methods.", headers={"Allow": allowed})


class _Converters:
    """JSON readers and writers, shared by the methods whose messages come from one descriptor pool."""

    def __init__(self) -> None:
        self._by_pool: dict[DescriptorPool, tuple[JsonReaders, JsonWriters]] = {}

    def of(self, method: MethodDescriptor) -> tuple[JsonReaders, JsonWriters]:
        pool = method.containing_service.file.pool
        if pool not in self._by_pool:
            self._by_pool[pool] = JsonReaders(pool), JsonWriters(pool)
        return self._by_pool[pool]


async def _body_in_time(endpoint: Endpoint, request: web.Request, deadline: Deadline) -> bytes:
    """The body, unless it trickles in for longer than the whole request may take. Raises `Problem`."""
    try:
        async with asyncio.timeout(deadline.remaining()):
            return await endpoint.body.read(request)
    except TimeoutError:
        raise Problem(
            408, detail="The body did not arrive in time.", headers={"Connection": "close"}
        ) from None
