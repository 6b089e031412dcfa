"""One route made callable: how a request becomes its message, and what answers. `gateway` finds the route."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.message import EncodeError, Message

from edge.problems import invalid_fields
from edge.rest.binder import Binder
from edge.rest.body import BodyReader
from edge.rest.calls import CallsUnderWay
from edge.rest.json_reader import JsonReaders
from edge.rest.json_writer import JsonWriters
from edge.rest.rendering import answers_raw
from edge.rest.routes import Route
from edge.rest.rpc import Rpc
from edge.rest.spelling import as_written
from edge.rest.streaming import StreamAnswer, StreamPace
from edge.rest.templates import Variable
from edge.rest.unary import UnaryAnswer


class Endpoint:
    """Everything about one route that can be prepared before a request comes. `deadline` is in seconds."""

    def __init__(
        self,
        route: Route,
        channel: grpc.aio.Channel,
        readers: JsonReaders,
        writers: JsonWriters,
        calls: CallsUnderWay,
        *,
        deadline: float,
        pace: StreamPace,
    ) -> None:
        self.name = route.rpc.full_name
        self.deadline = deadline
        self.body = BodyReader(route, readers)
        rpc = Rpc(route, channel, writers, calls)
        streams = route.rpc.server_streaming
        self.answer = (
            StreamAnswer(rpc, is_raw=answers_raw(route), pace=pace) if streams else UnaryAnswer(rpc)
        ).answer
        self._body_field = route.body.name if route.body is not None else ""
        self._input = route.rpc.input_type
        self._binder = Binder(route, readers)
        self._new_request: Callable[[], Message] = message_factory.GetMessageClass(self._input)

    def request_bytes(
        self,
        captures: Sequence[tuple[Variable, str]],
        query: Sequence[tuple[str, str]],
        text: bytes,
        media_type: str,
    ) -> bytes:
        """The serialised request message. Raises `Problem` 400."""
        message = self._new_request()
        parsed = self.body.fill(message, text, media_type)
        self._binder.bind(message, captures, query, parsed)
        try:
            return message.SerializeToString()
        except EncodeError:
            missing = _incomplete(message)
        spelled = [as_written(path, self._input, self._body_field) for path in missing]
        raise invalid_fields([(path, "is required") for path in spelled])


def _incomplete(message: Any) -> list[str]:
    """Proto paths of the required fields that are not set."""
    paths: list[str] = message.FindInitializationErrors()
    return paths
