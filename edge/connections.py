"""Serves one client's connection: `/l/` in a short loop of its own, everything else in aiohttp's.

Who answers a request is decided in `edge.front`.
"""

import asyncio
from typing import TYPE_CHECKING, Any, TypeGuard

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_request import BaseRequest

from edge.client_address import NOBODY
from edge.guarded_protocol import GuardedProtocol
from edge.request_head import RequestHead

if TYPE_CHECKING:
    from edge.front import Front

PREFIX = "/l/"


class Connection(GuardedProtocol):
    """A connection that follows links until its client asks for something else.

    aiohttp spends two tasks' turns, a request, a writer and a response on each request, which is more than a
    redirect costs altogether. So every connection begins in the loop below; the first request that is not
    a plain one for a link hands it over to aiohttp's loop, for good. A client that is one of too many from
    its address is cut off.
    """

    __slots__ = ("_admitted", "_follows_links", "_front", "_sent_all", "_silence_timer", "peer")

    def __init__(self, front: "Front", **settings: Any) -> None:
        super().__init__(front, front.limits, front.refused, **settings)
        self.peer = NOBODY
        self._front = front
        self._admitted = False
        self._follows_links = front.follows_links
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
            if not self._follows_links or await self._follow_links():
                self._follows_links = False
                await super().start()
        except ConnectionError:
            self.force_close()  # the client left while its answers waited for it
        except Exception as error:  # noqa: BLE001 - a task that dies would leave its client waiting
            self._front.note_failure(error)
            self.force_close()
        finally:
            if self.transport is not None and self.transport.is_closing():
                self._see_it_end(self.transport)

    async def _follow_links(self) -> bool:
        """Follow links until there is another request to serve; false when the connection is at its end."""
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
            if not _is_plain_link_request(message, payload):
                return True
            if not await self._follow_link(message):
                break
            self._await_next_within(self.limits.idle_seconds)
        if self.transport is not None and not self._force_close:
            self._task_handler = None
            self.transport.close()
        return False

    async def _follow_link(self, message: RawRequestMessage) -> bool:
        """Answer the first message; says whether the connection goes on."""
        self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        goes_on = not message.should_close
        head = RequestHead(message.method, message.path, message.version, message.headers, goes_on, self.peer)
        self._request_in_progress = True
        try:
            answer = await self._front.answer_link(head)
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
