"""aiohttp's HTTP protocol with what it lacks on the way out: clients that read slowly, and good endings.

What comes in is `edge.guarded_protocol`'s.
"""

import asyncio
from collections import Counter
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from edge.limits import Limits


class DeliveringProtocol(RequestHandler):
    """Watches what goes out; counts in `refused` whom it cut off."""

    __slots__ = ("_parting", "_reader_timer", "limits", "refused")

    def __init__(self, server: web.Server, limits: Limits, refused: Counter[str], **settings: Any) -> None:
        super().__init__(
            server,
            access_log=None,  # type: ignore[arg-type] # None is how aiohttp is told not to log
            keepalive_timeout=limits.idle_seconds,
            lingering_time=limits.linger_seconds,
            **settings,
        )
        self.limits = limits
        self.refused = refused
        self._parting: asyncio.Future[None] | None = None
        self._reader_timer: asyncio.TimerHandle | None = None

    @property
    def is_busy(self) -> bool:
        """Whether somebody would miss something if the connection ended now."""
        transport = self.transport
        if transport is None:
            return False
        asked = self._parting is None and (self._request_in_progress or bool(self._messages))
        return asked or transport.get_write_buffer_size() > 0

    @property
    def _is_parting(self) -> bool:
        return self._parting is not None

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
        self._end_parting()
        super().connection_lost(exc)

    def close(self) -> None:
        super().close()
        self._end_parting()

    async def _part(self) -> None:
        """End our side, and take for a while what the client still sends.

        A connection that is closed with bytes unread is reset, and a reset may overtake the answer.
        """
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        self._parting = self._loop.create_future()
        transport.write_eof()
        self._resume_transport_reading()
        try:
            async with asyncio.timeout(self.limits.linger_seconds):
                await self._parting
        except TimeoutError:
            self.force_close()

    def _end_parting(self) -> None:
        if self._parting is not None and not self._parting.done():
            self._parting.set_result(None)

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
