"""The body: whether a route takes one, of which media type, and its way into the request message."""

from __future__ import annotations

import zlib
from typing import Any

from aiohttp import ClientPayloadError, web
from aiohttp.http_exceptions import HttpProcessingError
from google.protobuf.message import Message

from edge.problems import Problem, invalid_field
from edge.rest.fields import HTTP_BODY
from edge.rest.json_reader import JsonReaders, refuse_too_deep
from edge.rest.json_text import parse_json
from edge.rest.routes import Route
from edge.rest.violations import InvalidValueError

_JSON = "application/json"
_DECODABLE = frozenset({"", "identity", "gzip", "deflate"})


class BodyReader:
    """Reads the bodies of one route."""

    def __init__(self, route: Route, readers: JsonReaders) -> None:
        self._route = route
        self._readers = readers
        self._read_field = None if route.body is None else readers.field(route.body)

    async def read(self, request: web.Request) -> bytes:
        """The whole body, b"" when there is none. Raises `Problem` 400, 413 or 415."""
        if not request.body_exists:
            return b""
        if not self._route.takes_body and request.content_length:
            raise _unwanted()
        text = await _received(request)
        if not text or self._route.raw_body:
            return text
        if not self._route.takes_body:
            raise _unwanted()
        if request.content_type != _JSON or (request.charset or "utf-8").lower() not in {"utf-8", "utf8"}:
            raise Problem(415, detail=f"Send the body as {_JSON} in UTF-8.", headers={"Accept": _JSON})
        return text

    def fill(self, message: Message, text: bytes, media_type: str) -> object:
        """Fill the message from the body; return the parsed JSON, None for no JSON. Raises `Problem` 400."""
        if self._route.raw_body:
            self._fill_raw(message, text, media_type)
            return None
        try:
            return self._fill_json(message, text)
        except InvalidValueError as error:
            if error.field or error.message.startswith("The body"):
                raise invalid_field(error.field, error.message) from None
            raise invalid_field("", f"The body {error.message}.") from None

    def _fill_json(self, message: Message, text: bytes) -> object:
        field = self._route.body
        if not text:
            if field is not None and field.message_type is not None and not field.is_repeated:
                getattr(message, field.name).SetInParent()
            return None
        if self._read_field is None:
            return self._readers.parse(text, message)
        document = parse_json(text)
        self._read_field(document.value, message)
        refuse_too_deep(document, message)
        return document.value

    def _fill_raw(self, message: Message, text: bytes, media_type: str) -> None:
        holder: Any = message
        if self._route.body is not None:
            holder = getattr(message, self._route.body.name)
        assert holder.DESCRIPTOR.full_name == HTTP_BODY  # noqa: S101 - what `raw_body` says
        holder.content_type = media_type
        holder.data = text


async def _received(request: web.Request) -> bytes:
    if request.headers.get("Content-Encoding", "").strip().lower() not in _DECODABLE:
        raise Problem(415, detail="Send the body plain or with gzip.", headers={"Accept-Encoding": "gzip"})
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Problem(413, detail="The body is too large.") from None
    except (ClientPayloadError, HttpProcessingError, web.RequestPayloadError, zlib.error):
        # aiohttp would read on after our answer, meet the same error and drop the connection before sending.
        request.content.feed_eof()
        raise Problem(
            400, detail="The body cannot be read.", code="INVALID_ARGUMENT", headers={"Connection": "close"}
        ) from None


def _unwanted() -> Problem:
    return Problem(400, detail="This method takes no body.", code="INVALID_ARGUMENT")
