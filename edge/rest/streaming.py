"""Answers with the messages of a server stream, each as soon as it comes and no faster than they are taken.

A stream's bytes are put together in `framing`. Streams of `google.api.HttpBody` have none: they leave as they
are.
"""

from __future__ import annotations

import asyncio
import struct
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, NamedTuple

import grpc
import structlog
from aiohttp import HttpVersion11, hdrs, web

from edge.problems import Problem
from edge.request_keys import REQUEST_ID
from edge.rest.framing import Framing, chosen_framing
from edge.rest.json_writer import encode_json
from edge.rest.rpc import Rpc
from edge.rest.upstream import Deadline, Metadata

log = structlog.get_logger()

# On, for no seconds: closing such a socket resets the connection.
_LINGER_NOT = struct.pack("ii", 1, 0)


class StreamPace(NamedTuple):
    """How long a stream may say nothing, in seconds.

    Until `head_within`, a failure still gets a status of its own; then the head of the answer leaves, so that
    the client knows that it was heard. Then there is a heartbeat after each silence of `heartbeat_after`.
    """

    head_within: float = 5.0
    heartbeat_after: float = 15.0


class StreamAnswer:
    """Calls an RPC and relays what it says, until it ends or the client leaves."""

    def __init__(self, rpc: Rpc, *, is_raw: bool, pace: StreamPace) -> None:
        self._rpc = rpc
        self._is_raw = is_raw
        self._pace = pace

    async def answer(
        self, request: web.Request, payload: bytes, metadata: Metadata, deadline: Deadline
    ) -> web.StreamResponse:
        """Raises `Problem` only before the answer has begun; the RPC is over when this returns."""
        framing = None if self._is_raw else chosen_framing(request)
        outlet = _Outlet(request, framing, self._pace.heartbeat_after)
        try:
            with self._rpc.open(request, payload, metadata, deadline) as held:
                await self._relay(held.call, outlet)
        except Problem as problem:
            if not outlet.begun:
                raise
            await outlet.fail(problem)
        except ConnectionError:
            log.debug("stream_abandoned", rpc=self._rpc.name)
        finally:
            outlet.close()
        return outlet.response

    async def _relay(self, call: Any, outlet: _Outlet) -> None:
        wire = await self._first(call, outlet)
        while wire is not grpc.aio.EOF:
            rendered = self._rpc.render(wire)
            await outlet.send(rendered.media_type, rendered.content)
            if outlet.wants_no_more:
                return
            # Asked for only now: a slow client slows the service down, not the growth of a buffer.
            wire = await call.read()
        await outlet.end()

    async def _first(self, call: Any, outlet: _Outlet) -> Any:
        reading = asyncio.ensure_future(call.read())
        try:
            await asyncio.wait({reading}, timeout=self._pace.head_within)
            if not reading.done() and outlet.framing is not None:
                await outlet.begin(outlet.framing.media_type)
                if outlet.wants_no_more:
                    return grpc.aio.EOF
            return await reading
        finally:
            reading.cancel()


class _Outlet:
    """The client's end of a stream."""

    def __init__(self, request: web.Request, framing: Framing | None, heartbeat_after: float) -> None:
        self.framing = framing
        self.response = web.StreamResponse()
        self._request = request
        self._heartbeat_after = heartbeat_after
        self._heart: asyncio.Task[None] | None = None
        self._is_sending = False
        self._last_sent_at = 0.0

    @property
    def begun(self) -> bool:
        """Whether the status is out."""
        return self.response.prepared

    @property
    def wants_no_more(self) -> bool:
        """Whether the answer is complete though the stream is not: HEAD has no body."""
        return self.begun and self._request.method == hdrs.METH_HEAD

    async def begin(self, media_type: str) -> None:
        """Send the head. Raises ConnectionError when the client has left, as everything here does."""
        headers = self.response.headers
        headers[hdrs.CONTENT_TYPE] = media_type
        if self.framing is not None:
            headers[hdrs.CACHE_CONTROL] = "no-store"
            headers[hdrs.VARY] = hdrs.ACCEPT
            # Asks nginx, which many stand behind, to pass each message on when it comes.
            headers["X-Accel-Buffering"] = "no"
        await self.response.prepare(self._request)
        if self.framing is not None and self.framing.heartbeat:
            self._heart = asyncio.create_task(self._beat(self.framing.heartbeat), name="heartbeat")

    async def send(self, media_type: str, content: bytes) -> None:
        """Send one message; returns once there is room for the next."""
        framing = self.framing
        if not self.begun:
            await self.begin(media_type if framing is None else framing.media_type)
        if not self.wants_no_more:
            await self._write(content if framing is None else framing.message(content))

    async def end(self) -> None:
        """End a stream that came to its end."""
        framing = self.framing
        if not self.begun:
            # A raw stream without a message never said what it would have been.
            await self.begin("application/octet-stream" if framing is None else framing.media_type)
        if framing is not None and framing.end and not self.wants_no_more:
            await self._write(framing.end)

    async def fail(self, problem: Problem) -> None:
        """End a stream that broke, so that nobody takes it for complete."""
        if self.framing is None:
            self._cut()
            return
        document = encode_json(problem.document(self._request[REQUEST_ID]))
        try:
            await self._write(self.framing.failure(document))
        except ConnectionError:
            log.debug("stream_failure_unheard", code=problem.code)

    def close(self) -> None:
        """Stop the heartbeat. It may have failed for want of a client, which is found out elsewhere."""
        if self._heart is not None and not self._heart.cancel():
            self._heart.exception()

    async def _write(self, content: bytes) -> None:
        self._is_sending = True
        try:
            await self.response.write(content)
        finally:
            self._is_sending = False
            self._last_sent_at = asyncio.get_running_loop().time()

    async def _beat(self, heartbeat: bytes) -> None:
        """Tell client and proxies that somebody is still there, and notice when the client is not."""
        loop = asyncio.get_running_loop()
        self._last_sent_at = loop.time()
        while True:
            silence_ends_at = self._last_sent_at + self._heartbeat_after
            if self._is_sending:  # the client is slow to read and hears enough
                await asyncio.sleep(self._heartbeat_after)
            elif silence_ends_at > loop.time():
                await asyncio.sleep(silence_ends_at - loop.time())
            else:
                await self._write(heartbeat)

    def _cut(self) -> None:
        """Close without the last chunk; where there are no chunks, only a reset says that this was no end."""
        transport = self._request.transport
        if transport is None:
            return
        if self._request.version < HttpVersion11:
            socket = transport.get_extra_info("socket")
            socket.setsockopt(SOL_SOCKET, SO_LINGER, _LINGER_NOT)
        transport.close()
