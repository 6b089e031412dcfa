"""Writes whole HTTP answers as bytes, for the paths where a response object would cost more than the work.

What an answer says is decided elsewhere; here it only gets its head: framing, date, security headers.
"""

import time
from email.utils import formatdate
from http import HTTPStatus

import msgspec
from aiohttp import HttpVersion10, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest

from edge.problems import CONTENT_TYPE, Problem
from edge.request_head import RequestHead


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A whole answer: write it, then keep or close the connection."""

    status: int
    payload: bytes
    keep_alive: bool


class PreparedResponse(web.StreamResponse):
    """A whole answer for a connection that aiohttp's own loop serves."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(status=answer.status)
        self._payload = answer.payload
        self._keep_alive = answer.keep_alive

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("The client has gone")
        transport.write(self._payload)
        # Returns at once unless the client pipelines requests without reading the answers.
        await request.writer.drain()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: the payload was whole."""


class AnswerHeads:
    """Frames answers. `closing` turns true at shutdown: clients are then told to leave."""

    def __init__(self) -> None:
        self.closing = False
        self._date_second = 0
        self._date = ""

    def frame(
        self,
        request: RequestHead,
        status: int,
        request_id: str,
        headers: str,
        body: bytes = b"",
        *,
        last: bool = False,
    ) -> Answer:
        """Return the answer with this body. `headers` are whole lines, each ending in CR LF.

        The answer to a HEAD request carries the length of the body and no body. After the `last` answer the
        connection is closed.
        """
        keep_alive = request.keep_alive and not (last or self.closing)
        if not keep_alive:
            headers += "Connection: close\r\n"
        elif request.version is HttpVersion10:
            headers += "Connection: keep-alive\r\n"
        payload = (
            f"HTTP/1.1 {_STATUS_LINES[status]}\r\n{headers}X-Content-Type-Options: nosniff\r\n"
            f"X-Request-Id: {request_id}\r\nDate: {self._now()}\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode("ascii")
        if body and request.method != "HEAD":
            payload += body
        return Answer(status, payload, keep_alive)

    def refuse(self, request: RequestHead, problem: Problem, request_id: str) -> Answer:
        """Return a problem document after which the connection is closed: its framing is not trusted."""
        body = msgspec.json.encode(problem.document(request_id))
        headers = "".join(f"{name}: {value}\r\n" for name, value in problem.headers.items())
        headers += f"Content-Type: {CONTENT_TYPE}\r\nCache-Control: no-store\r\n"
        return self.frame(request, problem.status, request_id, headers, body, last=True)

    def _now(self) -> str:
        second = int(time.time())
        if second != self._date_second:
            self._date = formatdate(second, usegmt=True)
            self._date_second = second
        return self._date


_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
