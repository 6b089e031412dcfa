"""One route made callable: its request message, RPC and answer. Which route it is, `gateway` finds out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import structlog
from aiohttp import web
from google.protobuf import message_factory
from google.protobuf.message import EncodeError, Message

from edge.problems import Problem, invalid_field
from edge.request_keys import REQUEST_ID
from edge.rest.binder import Binder
from edge.rest.body import BodyReader
from edge.rest.fields import HTTP_BODY
from edge.rest.json_reader import JsonReaders
from edge.rest.json_writer import JsonWriters, encode_json
from edge.rest.routes import Route
from edge.rest.templates import Variable
from edge.rest.upstream import Deadline, Metadata, failures_as_problems

log = structlog.get_logger()

JSON_TYPE = "application/json"
NDJSON_TYPE = "application/x-ndjson"
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(?: *; *[\w.+-]+=(?:[\w.+-]+|\"[ !#-\[\]-~]*\"))*", re.ASCII)
_ANY_TYPE = "application/octet-stream"


class Endpoint:
    """Everything about one route that can be prepared before a request comes."""

    def __init__(
        self, route: Route, channel: grpc.aio.Channel, readers: JsonReaders, writers: JsonWriters
    ) -> None:
        self.name = route.rpc.full_name
        self.body = BodyReader(route, readers)
        self.streams = route.rpc.server_streaming
        self._body_field = route.body.name if route.body is not None else ""
        self._binder = Binder(route, readers)
        self._request_class = message_factory.GetMessageClass(route.rpc.input_type)
        self._render = _renderer(route, writers)
        answered = message_factory.GetMessageClass(route.rpc.output_type)
        # The request is serialised before the call: a message that cannot be is the caller's mistake.
        open_call = channel.unary_stream if self.streams else channel.unary_unary
        self._call: Any = open_call(route.rpc_path, response_deserializer=answered.FromString)

    def request_bytes(
        self,
        captures: Sequence[tuple[Variable, str]],
        query: Sequence[tuple[str, str]],
        text: bytes,
        media_type: str,
    ) -> bytes:
        """The serialised request message. Raises `Problem` 400."""
        message = self._request_class()
        parsed = self.body.fill(message, text, media_type)
        self._binder.bind(message, captures, query, parsed)
        try:
            return message.SerializeToString()
        except EncodeError:
            raise invalid_field("", "The request is incomplete.") from None

    async def answer(
        self, request: web.Request, payload: bytes, metadata: Metadata, deadline: Deadline
    ) -> web.Response:
        """Call, and answer with the one message that comes back. Raises `Problem`."""
        call = self._call(payload, metadata=metadata, timeout=deadline.remaining())
        with failures_as_problems(call, request, self._body_field):
            message = await call
        media_type, content = self._rendered(message)
        return web.Response(body=content, headers={"Content-Type": media_type})

    async def stream(
        self, request: web.Request, payload: bytes, metadata: Metadata, deadline: Deadline
    ) -> web.StreamResponse:
        """Call, and answer with messages as they come. Raises `Problem` only before the first has come."""
        call = self._call(payload, metadata=metadata, timeout=deadline.remaining())
        response: web.StreamResponse | None = None
        try:
            with failures_as_problems(call, request, self._body_field):
                message = await call.read()
                response = web.StreamResponse(headers={"Content-Type": self._streamed(message)[0]})
                await response.prepare(request)
                while message is not grpc.aio.EOF and request.method != "HEAD":
                    await response.write(self._streamed(message)[1])
                    message = await call.read()
        except Problem as problem:
            if response is None:
                raise
            await _end_with(problem, response, request)
        return response

    def _streamed(self, message: Any) -> tuple[str, bytes]:
        """Media type and bytes of one message in a stream; JSON gets a line of its own."""
        if message is grpc.aio.EOF:
            return NDJSON_TYPE, b""
        media_type, content = self._rendered(message)
        return (NDJSON_TYPE, content + b"\n") if media_type == JSON_TYPE else (media_type, content)

    def _rendered(self, message: Message) -> tuple[str, bytes]:
        try:
            return self._render(message)
        except ValueError as error:
            log.exception("response_not_renderable", rpc=self.name)
            raise Problem(500, detail="The request could not be completed.", code="INTERNAL") from error


async def _end_with(problem: Problem, response: web.StreamResponse, request: web.Request) -> None:
    """The status is out already: the last line says what went wrong."""
    if request.transport is None or response.headers["Content-Type"] != NDJSON_TYPE:
        raise ConnectionAbortedError("the stream broke after its first message") from problem
    await response.write(encode_json({"error": problem.document(request[REQUEST_ID])}) + b"\n")


def _renderer(route: Route, writers: JsonWriters) -> Callable[[Any], tuple[str, bytes]]:
    """Turns a response message into media type and bytes."""
    field = route.response_body
    if field is None:
        if route.rpc.output_type.full_name == HTTP_BODY:
            return _raw
        render = writers.renderer(route.rpc.output_type)
        return lambda message: (JSON_TYPE, render(message))
    name = field.name
    if field.message_type is not None and field.message_type.full_name == HTTP_BODY and not field.is_repeated:
        return lambda message: _raw(getattr(message, name))
    write = writers.field(field)
    if write is None:
        return lambda message: (JSON_TYPE, encode_json(getattr(message, name)))
    return lambda message: (JSON_TYPE, encode_json(write(getattr(message, name))))


def _raw(body: Any) -> tuple[str, bytes]:
    media_type = body.content_type if _MEDIA_TYPE.fullmatch(body.content_type) else _ANY_TYPE
    return media_type, body.data
