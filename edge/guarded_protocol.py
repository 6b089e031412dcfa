"""aiohttp's HTTP protocol with the limits that it lacks: on slow and large heads, framing, slow readers.

What is answered, and to whom, is not decided here.
"""

import asyncio
from collections import Counter
from typing import Any

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from edge.limits import Limits
from edge.refusals import FRAMING, LARGE_HEAD, SLOW_HEAD, Refusal, RefusedError, refusal_of_error

# How much more than the body itself a body may cost in chunk sizes, extensions and trailers.
FRAMING_BYTES = 65_536


class GuardedProtocol(RequestHandler):
    """Watches what comes in and what goes out; counts in `refused` why it cut a connection.

    A request that is refused while it is parsed is queued behind those before it, like any other, and
    answered by `handle_error`; nothing that follows it is looked at.
    """

    __slots__ = (
        "_deaf",
        "_head_size",
        "_head_timer",
        "_reader_timer",
        "_upload",
        "_upload_size",
        "limits",
        "refused",
    )

    def __init__(self, server: web.Server, limits: Limits, refused: Counter[str], **settings: Any) -> None:
        super().__init__(
            server,
            access_log=None,  # type: ignore[arg-type] # None is how aiohttp is told not to log
            keepalive_timeout=limits.idle_seconds,
            lingering_time=limits.linger_seconds,
            max_line_size=limits.line_size,
            max_field_size=limits.line_size,
            max_headers=limits.headers,
            auto_decompress=False,  # `edge.bodies` does, within bounds
            **settings,
        )
        self.limits = limits
        self.refused = refused
        self._deaf = False
        self._head_size = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._reader_timer: asyncio.TimerHandle | None = None
        self._upload: StreamReader | None = None
        self._upload_size = 0

    @property
    def is_busy(self) -> bool:
        """Whether somebody would miss something if the connection ended now."""
        transport = self.transport
        return transport is not None and (
            self._request_in_progress or bool(self._messages) or transport.get_write_buffer_size() > 0
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._head_timer = self._loop.call_later(self.limits.head_seconds, self._end_slow_head)

    def connection_lost(self, exc: BaseException | None) -> None:
        for timer in (self._head_timer, self._reader_timer):
            if timer is not None:
                timer.cancel()
        self._upload = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        super().data_received(data)
        messages = self._messages
        if messages:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None
            message, payload = messages[-1]
            if payload is not EMPTY_PAYLOAD and payload is not self._upload:
                self._upload, self._upload_size = payload, 0
            elif isinstance(message, _ErrInfo):
                self._break_off(message.exc, data)
            if self._head_size + len(data) > self.limits.head_size:
                self._refuse_large_heads()
            self._head_size = 0
        elif self._waiter is not None:
            self._head_grew(len(data))
        elif self._upload is not None:
            self._upload_grew(self._upload, len(data))

    def hear_no_more(self) -> None:
        """Take the body that is under way for ended and ignore what may still come.

        For an answer after which the connection is closed without waiting for the client.
        """
        self._deaf = True
        if self._upload is not None and not self._upload.is_eof():
            self._upload.feed_eof()

    def _head_grew(self, size: int) -> None:
        """Bytes came in between two requests, and the head that they belong to is not whole yet."""
        self._head_size += size
        if self._head_size > self.limits.head_size:
            self._refuse(LARGE_HEAD)
        elif self._head_timer is None and size:
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

    def _refuse_large_heads(self) -> None:
        """Heads that came whole and quickly are measured one by one: much data may be many small requests."""
        for place, (message, _) in enumerate(self._messages):
            if not isinstance(message, RawRequestMessage):
                return
            size = len(message.path) + sum(len(name) + len(value) + 4 for name, value in message.raw_headers)
            if size > self.limits.head_size:
                while len(self._messages) > place:
                    self._messages.pop()
                self._refuse(LARGE_HEAD)
                return

    def _refuse(self, refusal: Refusal) -> None:
        self._deaf = True
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
            began_before = self._head_size > 0 or bool(self._messages)
            self._refuse(refusal_of_error(error, b"" if began_before else received, self.limits.line_size))

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
        self.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None

    def force_close(self) -> None:
        transport = self.transport
        super().force_close()
        if transport is not None:
            self._see_it_end(transport)

    def _see_it_end(self, transport: asyncio.Transport) -> None:
        """A closed connection stays until its client has read everything; one that never does is cut."""
        if transport.get_write_buffer_size():
            self._loop.call_later(self.limits.linger_seconds, transport.abort)

    def _watch_reader(self) -> None:
        if self.transport is not None:
            unread = self.transport.get_write_buffer_size()
            pace = self.limits.answer
            self._reader_timer = self._loop.call_later(pace.grace_seconds, self._cut_slow_reader, unread)

    def _cut_slow_reader(self, unread_before: int) -> None:
        self._reader_timer = None
        if self.transport is None:
            return
        pace = self.limits.answer
        taken = unread_before - self.transport.get_write_buffer_size()
        if taken < pace.grace_seconds * pace.bytes_per_second:
            self.refused["slow_reader"] += 1
            self.transport.abort()
        else:
            self._watch_reader()
