"""Serves one client's connection: links and events in a short loop of its own, everything else in aiohttp's.

Who answers a request is decided in `edge.front`.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_request import BaseRequest

from edge.answers import Answer
from edge.client_address import NOBODY
from edge.guarded_protocol import GuardedProtocol
from edge.refusals import refusal_of_request
from edge.request_head import RequestHead

if TYPE_CHECKING:
    from edge.front import Front

PREFIX: Final = "/l/"
EVENTS_PATH: Final = "/api/v1/analytics/events"

# Half of aiohttp's buffer: of a body that fills it, nothing more would come until it is read.
_LARGEST_PLAIN_BODY: Final = 262_144
# Packets of one body follow each other closely; who dawdles is timed by `edge.bodies`.
_BODY_FOLLOWS_SECONDS: Final = 1.0
# With any of these a body is not simply the next so many bytes, or not simply JSON.
_UNUSUAL_HEADERS: Final = ("Transfer-Encoding", "Content-Encoding", "Expect")


class Connection(GuardedProtocol):
    """A connection that follows links and takes events until its client asks for something else.

    aiohttp spends two tasks' turns, a request, a writer and a response on each request, which is more than a
    redirect costs altogether. So every connection begins in the loop below; the first request that is not
    a plain one for a link or with events hands it over to aiohttp's loop, for good. A client that is one of
    too many from its address is cut off.
    """

    __slots__ = ("_admitted", "_front", "_is_plain", "_sent_all", "_silence_timer", "peer")

    def __init__(self, front: "Front", **settings: Any) -> None:
        super().__init__(front, front.limits, front.refused, **settings)
        self.peer = NOBODY
        self._front = front
        self._admitted = False
        self._is_plain = front.follows_links
        self._sent_all = False
        self._silence_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        name = transport.get_extra_info("peername")
        self.peer = self._front.addresses.peer(name[0] if isinstance(name, tuple) else "")
        self._admitted = self._front.admit(self.peer)
        if not self._admitted:
            transport.close()
            return
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._admitted:
            self._front.release(self.peer)
        if self._silence_timer is not None:
            self._silence_timer.cancel()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override] # aiohttp never keeps a connection open here
        """Keep the way back open while whole requests wait for answers: a client may shut only its side.

        On the wire that looks like a client that has left, until something is written; so one that waits for
        long without getting anything is taken to have left, which ends its RPC.
        """
        self._sent_all = True
        # Until somebody waits for the next request, the last one is being answered.
        waits = bool(self._messages) or (self._waiter is None and self._request_count > 0)
        if not waits or self._is_parting or self._is_upload_under_way:
            return False
        self._await_answer_of(self._progress())
        return True

    def _progress(self) -> tuple[int, int]:
        request = self._current_request
        return len(self._messages), 0 if request is None else request.writer.output_size

    def _await_answer_of(self, progress: tuple[int, int]) -> None:
        self._silence_timer = self._loop.call_later(
            self.limits.half_closed_seconds, self._give_up_unless_answered, progress
        )

    def _give_up_unless_answered(self, progress_before: tuple[int, int]) -> None:
        if self.transport is None:
            return
        progress = self._progress()
        if progress == progress_before and not self.transport.get_write_buffer_size():
            self.force_close()
        else:
            self._await_answer_of(progress)

    async def finish_response(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer; it may be the last that a client is waiting for."""
        outcome = await super().finish_response(request, resp, start_time)
        if self._sent_all and not self._messages:
            self.close()  # no other event would end aiohttp's loop
        return outcome

    async def start(self) -> None:
        """Serve the connection to its end."""
        try:
            if not self._is_plain or await self._serve_plainly():
                self._is_plain = False
                await super().start()
        except ConnectionError:
            self.force_close()  # the client left while its answers waited for it
        except Exception as error:  # noqa: BLE001 - a task that dies would leave its client waiting
            self._front.note_failure(error)
            self.force_close()
        finally:
            if self.transport is not None and self.transport.is_closing():
                self._see_it_end(self.transport)

    async def _serve_plainly(self) -> bool:
        """Answer until there is another request to serve; false when the connection is at its end."""
        messages = self._messages
        while not self._force_close:
            if not messages:
                if self._sent_all:
                    break
                self._waiter = self._loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
            message, payload = messages[0]
            if _is_plain_link_request(message, payload):
                goes_on = await self._answer_first(self._front.answer_link(self._take_first(message)))
            elif _is_plain_post_of_events(message) and self._front.take_events is not None:
                body = await self._body_of(payload)
                if body is None:
                    return self.transport is not None
                head = self._take_first(message)
                goes_on = await self._answer_first(self._front.take_events(head, body))
            else:
                return True
            if not goes_on:
                break
            self._await_next_within(self.limits.idle_seconds)
        if self.transport is not None and not self._force_close:
            self._task_handler = None
            self.transport.close()
        return False

    async def _body_of(self, payload: StreamReader) -> bytes | None:
        """The whole body, if it is here or follows in a moment. Until then the request stays in the queue.

        None for one that is late or broken, of which nothing has been read: whoever reads it will say so.
        """
        if payload is EMPTY_PAYLOAD:
            return b""
        if not payload.is_eof():
            with suppress(Exception):
                async with asyncio.timeout(min(_BODY_FOLLOWS_SECONDS, self.limits.body.grace_seconds)):
                    await payload.wait_eof()
        is_whole = payload.is_eof() and payload.exception() is None and self.transport is not None
        return payload.read_nowait(-1) if is_whole else None

    def _take_first(self, message: RawRequestMessage) -> RequestHead:
        """Take the first message off the queue, which may let the client send more."""
        self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        goes_on = not message.should_close
        return RequestHead(message.method, message.path, message.version, message.headers, goes_on, self.peer)

    async def _answer_first(self, answering: Awaitable[Answer]) -> bool:
        """Send the answer; says whether the connection goes on."""
        self._request_in_progress = True
        try:
            answer = await answering
        finally:
            self._request_in_progress = False
            # Set by a shutdown that waits for this request.
            if self._handler_waiter is not None:
                self._handler_waiter.set_result(None)
        if self.transport is None:
            return False
        self.transport.write(answer.payload)
        if self._paused:  # the client pipelines requests without reading the answers
            await self._drain_helper()
        return answer.keep_alive and not self._close

    def _await_next_within(self, seconds: float) -> None:
        self._keepalive = True
        self._next_keepalive_close_time = self._loop.time() + seconds
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(
                self._next_keepalive_close_time, self._process_keepalive
            )

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what never reached a handler: a problem document that echoes nothing, then close."""
        if request.writer.output_size > 0:
            raise ConnectionError("The answer has begun; nothing else can be said on this connection")
        return self._front.answer_error(request, status, exc)


def _is_plain_link_request(message: object, payload: object) -> TypeGuard[RawRequestMessage]:
    return (
        isinstance(message, RawRequestMessage)
        and message.path is not None  # as in `CONNECT` without a target
        and message.path.startswith(PREFIX)
        and payload is EMPTY_PAYLOAD
        and not message.upgrade
    )


def _is_plain_post_of_events(message: object) -> TypeGuard[RawRequestMessage]:
    """Whether its body is so many bytes of text, all here or about to come."""
    if not isinstance(message, RawRequestMessage) or message.path != EVENTS_PATH:
        return False
    if message.method != "POST" or message.upgrade:
        return False
    headers = message.headers
    for name in _UNUSUAL_HEADERS:
        if name in headers:
            return False
    if refusal_of_request(message.version, headers) is not None:
        return False
    return int(headers.get("Content-Length", 0)) <= _LARGEST_PLAIN_BODY


def head_of(request: BaseRequest) -> RequestHead:
    """The head of a request that aiohttp's loop serves."""
    peer = request.protocol.peer if isinstance(request.protocol, Connection) else NOBODY
    return RequestHead(
        request.method, request.raw_path, request.version, request.headers, request.keep_alive, peer
    )
