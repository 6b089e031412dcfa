"""aiohttp's HTTP protocol with the limits that it lacks on what comes in: slow and large heads, framing.

What is answered, and to whom, is not decided here.
"""

import asyncio
from collections import Counter
from typing import Any

from aiohttp import web
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import _ErrInfo
from aiohttp.web_request import BaseRequest

from edge.delivering_protocol import DeliveringProtocol
from edge.limits import Limits
from edge.refusals import FRAMING, LARGE_HEAD, SLOW_HEAD, Refusal, RefusedError, refusal_of_error

# How much more than the body itself a body may cost in chunk sizes, extensions and trailers.
FRAMING_BYTES = 65_536

_HEAD_END = b"\r\n\r\n"


class GuardedProtocol(DeliveringProtocol):
    """Watches what comes in, too; counts in `refused` why it cut a connection.

    A request that is refused while it is parsed is queued behind those before it, like any other, and
    answered by `handle_error`; nothing that follows it is looked at.
    """

    __slots__ = (
        "_deaf",
        "_head_begun",
        "_head_size",
        "_head_timer",
        "_upload",
        "_upload_size",
    )

    def __init__(self, server: web.Server, limits: Limits, refused: Counter[str], **settings: Any) -> None:
        super().__init__(server, limits, refused, **settings)
        self._parser = _one_by_one(self, limits)
        self._deaf = False
        self._head_begun = bytearray()
        self._head_size = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._upload: StreamReader | None = None
        self._upload_size = 0

    @property
    def _is_upload_under_way(self) -> bool:
        return self._upload is not None and not self._upload.is_eof()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._head_timer = self._loop.call_later(self.limits.head_seconds, self._end_slow_head)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        self._upload = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        arrived, pieces = self._head_size + len(data), 0
        while not self._deaf and self._parse(data if not pieces else b"", data, arrived, pieces):
            pieces += 1

    def _parse(self, unparsed: bytes, received: bytes, arrived: int, place: int) -> bool:
        """Let the parser go on to the end of the next request; says whether there may be another one.

        `received` is the packet, `arrived` what has come of the head that it begins or goes on with, and
        `place` how many requests it has ended already.
        """
        messages, upload = self._messages, self._upload
        known = len(messages)
        super().data_received(unparsed)
        if len(messages) > known:
            # Nearly always nothing follows a request in its packet, which spares the parser two turns.
            fills_packet = place == 0 and _ends_with(messages[-1][1], received)
            self._request_came(received if place == 0 else b"", arrived)
            return len(messages) < self._max_msg_queue_size and not fills_packet
        if upload is not None:
            self._upload_grew(upload, len(unparsed))
            return self._upload is None
        if self._waiter is not None:
            self._head_grew(unparsed)
        return False

    def _request_came(self, received: bytes, arrived: int) -> None:
        """One more request is in the queue, or an error instead of one."""
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        message, payload = self._messages[-1]
        if isinstance(message, _ErrInfo):
            self._break_off(message.exc, bytes(self._head_begun) + received)
        else:
            self._upload, self._upload_size = None if payload.is_eof() else payload, 0
        if arrived > self.limits.head_size and _size_of(message) > self.limits.head_size:
            self._messages.pop()
            self._refuse(LARGE_HEAD)
        self._head_size = 0
        self._head_begun.clear()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Go on reading. Whoever reads a body asks for it each time, mostly without anything to resume."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def hear_no_more(self) -> None:
        """Take the body that is under way for ended, and ignore what may still come: one answer is left."""
        self._deaf = True
        if self._upload is not None and not self._upload.is_eof():
            self._upload.feed_eof()

    def _head_grew(self, more: bytes) -> None:
        """Bytes came in between two requests, and the head that they belong to is not whole yet."""
        self._head_size += len(more)
        if len(self._head_begun) <= self.limits.line_size:
            self._head_begun += more
        if self._head_size > self.limits.head_size:
            self._refuse(LARGE_HEAD)
        elif self._head_timer is None and more:
            self._head_timer = self._loop.call_later(self.limits.head_seconds, self._end_slow_head)

    def _end_slow_head(self) -> None:
        self._head_timer = None
        if self._head_size:
            self._refuse(SLOW_HEAD)
        elif self._request_count == 0:
            # A browser that connected in advance would take an answer for one to its next request.
            self.refused["silent"] += 1
            self.force_close()

    def _process_keepalive(self) -> None:
        if self._head_timer is None:
            super()._process_keepalive()
        else:
            self._keepalive_handle = None  # a head has begun, which has a deadline of its own

    def _refuse(self, refusal: Refusal) -> None:
        self._deaf = True
        self._head_begun.clear()
        self._messages.append((_ErrInfo(400, RefusedError(refusal), ""), EMPTY_PAYLOAD))
        self._request_count += 1
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _break_off(self, error: BaseException, received: bytes) -> None:
        """The parser gave up: within a body its reader answers, else there is one more request to refuse."""
        upload = self._upload
        self._messages.pop()
        if upload is not None and not upload.is_eof():
            self._break_upload(upload)
        else:
            self._refuse(refusal_of_error(error, received, self.limits.line_size))

    def _upload_grew(self, upload: StreamReader, size: int) -> None:
        self._upload_size += size
        if upload.is_eof():
            self._upload = None
        elif self._reading_paused:
            return  # the parser still holds a part of it
        elif self._upload_size > upload.total_bytes + FRAMING_BYTES:
            self._break_upload(upload)

    def _break_upload(self, upload: StreamReader) -> None:
        self.refused[FRAMING.kind] += 1
        self._deaf = True
        upload.set_exception(web.RequestPayloadError("The framing of the body is broken"))
        upload.feed_eof()

    async def finish_response(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer; when it is the last because of what the client sends, let the client see it."""
        outcome = await super().finish_response(request, resp, start_time)
        if self._deaf and not (self._messages and resp.keep_alive):
            self.close()
            await self._part()
        return outcome


def _ends_with(payload: StreamReader, received: bytes) -> bool:
    """Whether a packet ends where the request with this body does; for one that came in chunks no is said."""
    length = 0 if payload is EMPTY_PAYLOAD else payload.total_bytes
    return received.find(_HEAD_END) + len(_HEAD_END) + length == len(received) and payload.is_eof()


def _one_by_one(protocol: GuardedProtocol, limits: Limits) -> HttpRequestParser:
    """Make a parser that stops after each request until it is called again.

    Otherwise those that came in one packet with something malformed would be lost with it.
    """
    return HttpRequestParser(
        protocol,
        protocol._loop,
        protocol._read_bufsize,
        max_line_size=limits.line_size,
        max_field_size=limits.line_size,
        max_headers=limits.headers,
        payload_exception=web.RequestPayloadError,
        auto_decompress=False,  # `edge.bodies` does, within bounds
        max_msg_queue_size=1,
    )


def _size_of(message: object) -> int:
    """Bytes of the head, about; 0 for what is none."""
    if not isinstance(message, RawRequestMessage):
        return 0
    return len(message.path) + sum(len(name) + len(value) + 4 for name, value in message.raw_headers)
