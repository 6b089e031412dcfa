"""Reads a request's body as strangers send it: bounded in size, in time, and in what gzip may make of it.

What the bytes mean is not looked at here.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import Final, Protocol

from aiohttp import ClientPayloadError, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from edge.connections import Connection
from edge.limits import USUAL_LIMITS, Limits
from edge.problems import CLIENT_CLOSED_REQUEST, Problem
from edge.request_keys import EXPECTS_CONTINUE

MAX_BODY_BYTES: Final = 1 << 20

_GZIP = frozenset({"gzip", "x-gzip"})
_PLAIN = frozenset({"", "identity"})
# zlib's number for "a gzip header and trailer around the largest window".
_GZIP_WINDOW = 31


async def read_body(request: web.Request, *, limit: int = MAX_BODY_BYTES) -> bytes:
    """The whole body, inflated if it came as gzip, b"" when there is none.

    Needs a parser that leaves inflating to us (`auto_decompress=False`). A client that waits to be told to
    go on is told here, so whatever is refused before costs it no body. Raises `Problem` 400 for broken
    framing and for gzip that is garbage, ends early or is followed by anything, 408 for a body that comes
    too slowly, 413 for one of more than `limit` bytes as sent or inflated, 415 for a coding other than gzip,
    499 for one whose sender has left. After all of these but 415 the connection is closed.
    """
    collected = _collector(request.headers.getall(hdrs.CONTENT_ENCODING, ()), limit)
    if not request.body_exists:
        return b""
    if request.content_length is not None and request.content_length > limit:
        raise _too_large()
    _ask_for_body(request)
    try:
        await _receive(request, collected, limit)
    except TimeoutError:
        if isinstance(request.protocol, Connection):
            request.protocol.refused["slow_body"] += 1
        raise too_slow() from None
    except ConnectionError:
        raise _last(CLIENT_CLOSED_REQUEST, "The client left.", "CANCELLED") from None
    except (ClientPayloadError, HttpProcessingError, web.RequestPayloadError):
        # aiohttp would read on after our answer, meet the same error and drop the connection before sending.
        request.content.feed_eof()
        raise _unreadable() from None
    return collected.whole()


def _ask_for_body(request: web.Request) -> None:
    if request.get(EXPECTS_CONTINUE) and request.transport is not None and not request.content.is_eof():
        request[EXPECTS_CONTINUE] = False
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def too_slow() -> Problem:
    """For a body that is not worth waiting for any longer."""
    return _last(408, "The body did not arrive in time.", "DEADLINE_EXCEEDED")


class _Collector(Protocol):
    def add(self, piece: bytes) -> None: ...

    def whole(self) -> bytes: ...


class _Plain:
    """Keeps the body as it comes; the receiver has seen to its size."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def whole(self) -> bytes:
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


class _Gzip:
    """Inflates as the body comes and never further than to the limit, whatever the ratio."""

    def __init__(self, limit: int) -> None:
        self._inflate = zlib.decompressobj(_GZIP_WINDOW)
        self._room = limit
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        try:
            # One more than there is room for tells a full body from one that is too large.
            inflated = self._inflate.decompress(piece, self._room + 1)
        except zlib.error:
            raise _unreadable() from None
        self._room -= len(inflated)
        if self._room < 0:
            raise _too_large()
        if self._inflate.unused_data:
            raise _unreadable()
        self._pieces.append(inflated)

    def whole(self) -> bytes:
        if not self._inflate.eof:
            raise _unreadable()
        return b"".join(self._pieces)


def _collector(codings: list[str] | tuple[str, ...], limit: int) -> _Collector:
    coding = ",".join(codings).strip().lower()
    if coding in _PLAIN:
        return _Plain()
    if coding in _GZIP:
        return _Gzip(limit)
    raise Problem(
        415,
        detail="Send the body plain or with gzip.",
        code="INVALID_ARGUMENT",
        headers={"Accept-Encoding": "gzip"},
    )


async def _receive(request: web.Request, collected: _Collector, limit: int) -> None:
    """Move the body into the collector. Raises TimeoutError when it comes too slowly."""
    content, received = request.content, 0
    pace = _limits_of(request).body
    began_at = asyncio.get_running_loop().time()
    while not content.at_eof():
        if content.is_eof():  # nearly always: the body came in the same packet as the head
            piece = content.read_nowait(-1)
        else:
            async with asyncio.timeout_at(began_at + pace.patience(received)):
                piece = await content.readany()
        received += len(piece)
        if received > limit:
            raise _too_large()
        if piece:
            collected.add(piece)
    broken = content.exception()
    if broken is not None:
        raise broken


def _limits_of(request: web.Request) -> Limits:
    protocol = request.protocol
    return protocol.limits if isinstance(protocol, Connection) else USUAL_LIMITS


def _too_large() -> Problem:
    return _last(413, "The body is too large.", "RESOURCE_EXHAUSTED")


def _unreadable() -> Problem:
    return _last(400, "The body cannot be read.", "INVALID_ARGUMENT")


def _last(status: int, detail: str, code: str) -> Problem:
    """What is left of the body is not read: the connection cannot go on."""
    return Problem(status, detail=detail, code=code, headers={hdrs.CONNECTION: "close"})
