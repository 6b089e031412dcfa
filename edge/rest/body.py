"""The body: whether a route takes one, of which media type, and its way into the request message."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from google.protobuf.message import Message

from edge.bodies import read_body
from edge.problems import Problem, invalid_field
from edge.rest.fields import HTTP_BODY, is_plain_message
from edge.rest.json_reader import JsonReaders
from edge.rest.routes import Route
from edge.rest.violations import InvalidValueError

_JSON = "application/json"


class BodyReader:
    """Reads the bodies of one route."""

    def __init__(self, route: Route, readers: JsonReaders) -> None:
        self._route = route
        self._parse = (
            readers.parser(route.rpc.input_type) if route.body is None else readers.field_parser(route.body)
        )
        self._accepted = {"Accept": _JSON}
        if route.http_method == "PATCH":
            self._accepted["Accept-Patch"] = _JSON

    async def read(self, request: web.Request) -> bytes:
        """The whole body, b"" when there is none. Raises `Problem` 400, 408, 413 or 415."""
        if not request.body_exists:
            return b""
        if request.content_length:
            self._refuse_unread(request)
        text = await read_body(request)
        if text and request.content_length is None:
            self._refuse_unread(request)
        return text

    def _refuse_unread(self, request: web.Request) -> None:
        """Refuse a body for what its head says; one that is empty may say anything."""
        if not self._route.takes_body:
            raise Problem(400, detail="This method takes no body.")
        if self._route.raw_body:
            return
        if request.content_type != _JSON or (request.charset or "utf-8").lower() not in {"utf-8", "utf8"}:
            raise Problem(415, detail=f"Send the body as {_JSON} in UTF-8.", headers=self._accepted)

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
        parsed = self._parse(text, message)
        # Within a message null leaves a field out; as a whole body it can only be a mistake.
        if parsed is None and field is not None and is_plain_message(field) and not field.is_repeated:
            raise InvalidValueError("must be an object")
        return parsed

    def _fill_raw(self, message: Message, text: bytes, media_type: str) -> None:
        if not media_type.isascii():
            raise Problem(415, detail="The content type must be ASCII.")
        holder: Any = message
        if self._route.body is not None:
            holder = getattr(message, self._route.body.name)
        assert holder.DESCRIPTOR.full_name == HTTP_BODY  # noqa: S101 - what `raw_body` says
        holder.content_type = media_type
        holder.data = text
