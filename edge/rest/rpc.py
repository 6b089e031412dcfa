"""One RPC of the upstream server, made callable for HTTP requests: opens calls and reads what comes back.

How the answer reaches the client is decided in `unary` and `streaming`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import grpc
import structlog
from aiohttp import web
from google.protobuf import message_factory
from google.protobuf.message import DecodeError

from edge.problems import Problem
from edge.rest.calls import CallsUnderWay, HeldCall
from edge.rest.json_writer import JsonWriters
from edge.rest.rendering import Rendered, make_renderer
from edge.rest.routes import Route
from edge.rest.spelling import as_written
from edge.rest.upstream import Deadline, Metadata

log = structlog.get_logger()


class Rpc:
    """An RPC of one route. Messages go in as bytes: one that cannot be serialised is the caller's mistake."""

    def __init__(
        self, route: Route, channel: grpc.aio.Channel, writers: JsonWriters, calls: CallsUnderWay
    ) -> None:
        self.name = route.rpc.full_name
        self._channel = channel
        self._calls = calls
        self._is_stream = route.rpc.server_streaming
        body_field = route.body.name if route.body is not None else ""
        self._spell = partial(as_written, message=route.rpc.input_type, body_field=body_field)
        self._answered = message_factory.GetMessageClass(route.rpc.output_type)
        self._render = make_renderer(route, writers)
        open_call = channel.unary_stream if self._is_stream else channel.unary_unary
        # gRPC would make None of a message that it cannot deserialise, so that is done here.
        self._call: Any = open_call(route.rpc_path)

    def open(self, request: web.Request, payload: bytes, metadata: Metadata, deadline: Deadline) -> HeldCall:
        """Begin a call, to be waited for in the context returned. Raises `Problem` 504 when time is up."""
        # A server that was there a moment ago is waited for: gRPC learns of its going in threads of its own.
        was_there = self._channel.get_state() is grpc.ChannelConnectivity.READY
        call = self._call(payload, metadata=metadata, timeout=deadline.remaining(), wait_for_ready=was_there)
        return self._calls.hold(call, request, is_stream=self._is_stream, spell=self._spell)

    def render(self, wire: bytes) -> Rendered:
        """A response message as it leaves. Raises `Problem` 500 if it cannot be read."""
        try:
            return self._render(self._answered.FromString(wire))
        except (DecodeError, ValueError, RecursionError) as error:
            log.exception("response_not_renderable", rpc=self.name)
            raise Problem(500, detail="The request could not be completed.") from error
