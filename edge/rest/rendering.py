"""What an RPC answers, as bytes of a media type: proto3 JSON, or whatever a `google.api.HttpBody` holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.rpc.context.attribute_context_pb2 import AttributeContext

from edge.rest.fields import HTTP_BODY, is_raw
from edge.rest.json_writer import JsonWriters, encode_json
from edge.rest.object_writer import Writer
from edge.rest.routes import Route

JSON_TYPE = "application/json"


class Rendered(NamedTuple):
    """One response message; `disposition` says under which name a browser may save it, if the service did."""

    media_type: str
    content: bytes
    disposition: str = ""


# Raises ValueError for what JSON cannot hold.
Renderer = Callable[[Any], Rendered]

_MEDIA_TYPE = re.compile(
    r"[!#$%&'*+\-.^_`|~\w]+/[!#$%&'*+\-.^_`|~\w]+"
    r"(?: *; *[!#$%&'*+\-.^_`|~\w]+=(?:[!#$%&'*+\-.^_`|~\w]+|\"[ !#-\[\]-~]*\"))*",
    re.ASCII,
)
_ANY_TYPE = "application/octet-stream"
_DISPOSITION = re.compile(r"(?:attachment|inline)(?:; filename=\"[\w .()-]{1,128}\")?", re.ASCII)


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
        return lambda message: Rendered(JSON_TYPE, render(message))
    write = _field_writer(field, writers)
    return lambda message: Rendered(JSON_TYPE, encode_json(write(message)))


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


def _raw(body: Any) -> Rendered:
    """A service's slip of the pen in a header must not become a header of its own."""
    media_type = body.content_type if _MEDIA_TYPE.fullmatch(body.content_type) else _ANY_TYPE
    return Rendered(media_type, body.data, _disposition(body))


def _disposition(body: Any) -> str:
    """The `content-disposition` of an `AttributeContext.Response` among the extensions, and nothing else."""
    response = AttributeContext.Response()
    for extension in body.extensions:
        if extension.Unpack(response):
            told = response.headers.get("content-disposition", "")
            return told if _DISPOSITION.fullmatch(told) else ""
    return ""
