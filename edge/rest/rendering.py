"""What an RPC answers, as bytes of a media type: proto3 JSON, or whatever a `google.api.HttpBody` holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from edge.rest.fields import HTTP_BODY, is_raw
from edge.rest.json_writer import JsonWriters, encode_json
from edge.rest.object_writer import Writer
from edge.rest.routes import Route

JSON_TYPE = "application/json"

# Media type and content of one response message. Raises ValueError for what JSON cannot hold.
Renderer = Callable[[Any], tuple[str, bytes]]

_MEDIA_TYPE = re.compile(
    r"[!#$%&'*+\-.^_`|~\w]+/[!#$%&'*+\-.^_`|~\w]+"
    r"(?: *; *[!#$%&'*+\-.^_`|~\w]+=(?:[!#$%&'*+\-.^_`|~\w]+|\"[ !#-\[\]-~]*\"))*",
    re.ASCII,
)
_ANY_TYPE = "application/octet-stream"


def answers_raw(route: Route) -> bool:
    """Whether the route answers with bytes of the service's own media type."""
    if route.response_body is not None:
        return is_raw(route.response_body)
    return route.rpc.output_type.full_name == HTTP_BODY


def make_renderer(route: Route, writers: JsonWriters) -> Renderer:
    """The renderer of the route's response messages, or of the one field that is its `response_body`.

    A field with presence that the service has not set is `null` (raw: empty), not a made-up default.
    """
    field = route.response_body
    if answers_raw(route):
        return _raw if field is None else _raw_field(field.name)
    if field is None:
        render = writers.renderer(route.rpc.output_type)
        return lambda message: (JSON_TYPE, render(message))
    write = _field_writer(field, writers)
    return lambda message: (JSON_TYPE, encode_json(write(message)))


def _field_writer(field: FieldDescriptor, writers: JsonWriters) -> Writer:
    name, write = field.name, writers.field(field)

    def write_field(message: Any) -> object:
        if field.has_presence and not message.HasField(name):
            return None
        value = getattr(message, name)
        return value if write is None else write(value)

    return write_field


def _raw_field(name: str) -> Renderer:
    return lambda message: _raw(getattr(message, name))


def _raw(body: Any) -> tuple[str, bytes]:
    """A service's slip of the pen in a header must not become a header of its own."""
    media_type = body.content_type if _MEDIA_TYPE.fullmatch(body.content_type) else _ANY_TYPE
    return media_type, body.data
