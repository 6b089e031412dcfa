"""Passes an answer of the store on, piece by piece. What is asked and what is added is elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import aiohttp
import structlog
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

log = structlog.get_logger(__name__)

PIECE_BYTES: Final = 64 * 1024
RETRY_AFTER_SECONDS: Final = 5
# Of one connection, not of the message; RFC 9110, 7.6.1.
_OF_THE_CONNECTION: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        # The door's own server and client each settle this on their side.
        "expect",
    }
)

# What the store may do that leaves us without an answer to pass on.
NO_ANSWER: Final = (aiohttp.ClientError, asyncio.TimeoutError, OSError)


def end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """The headers that belong to the message, in their order."""
    dropped = _OF_THE_CONNECTION | {
        name.strip().lower() for line in headers.getall("Connection", ()) for name in line.split(",")
    }
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in dropped)


async def pass_on(
    request: web.BaseRequest,
    answer: aiohttp.ClientResponse,
    headers: Mapping[str, str],
    *,
    status: int | None = None,
) -> web.StreamResponse:
    """The store's answer to whoever asked, with these headers and never more than a piece in memory.

    `status` takes the place of the store's own.

    Where the store breaks off, the connection does too, so that half a body is not taken for a whole one.
    """
    response = web.StreamResponse(status=status or answer.status, headers=headers)
    try:
        await response.prepare(request)
        if request.method != "HEAD":
            async for piece in answer.content.iter_chunked(PIECE_BYTES):
                await response.write(piece)
        await response.write_eof()
    except NO_ANSWER as error:
        log.info("answer_broken_off", error=type(error).__name__)
        if request.transport is not None:
            request.transport.abort()
    return response
