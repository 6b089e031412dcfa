"""Spares the wire: an answer that the client has already is not sent again, and a large one goes compressed.

Only whole answers to GET and HEAD are touched; streams leave as they come.
"""

import asyncio
import hashlib
import re
import zlib
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from edge.accept import prefers_gzip

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# Below, the gain does not pay for the work and the extra headers.
COMPRESS_FROM_BYTES: Final = 1024
# Above, compressing would hold up every other request for more than about a millisecond.
COMPRESS_APART_FROM_BYTES: Final = 32_768
ASK_AGAIN: Final = "private, no-cache"

_LEVEL = 5
_GZIP_WINDOW = 31
_COMPRESSIBLE = re.compile(
    r"text/.*|application/(?:.*\+)?(?:json|xml|yaml)|application/javascript|image/svg\+xml"
)
_ENTITY_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\U0010ffff]*")')


def deliver() -> Middleware:
    """Make the middleware. Put it outside what turns exceptions into answers."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if (
            request.method in {hdrs.METH_GET, hdrs.METH_HEAD}
            and response.status == 200
            and isinstance(response, web.Response)
            and isinstance(response.body, bytes | bytearray)
            and not response.prepared
        ):
            return await _delivered(request, response, bytes(response.body))
        return response

    return middleware


async def _delivered(request: web.Request, response: web.Response, body: bytes) -> web.Response:
    headers = response.headers
    cached = headers.setdefault(hdrs.CACHE_CONTROL, ASK_AGAIN)
    if "no-store" not in cached:
        tag = headers.setdefault(hdrs.ETAG, _weak_tag(body))
        if _has_already(request.headers.getall(hdrs.IF_NONE_MATCH, ()), tag):
            return _not_modified(response)
    if len(body) < COMPRESS_FROM_BYTES or not _is_compressible(response):
        return response
    _vary(response)
    if prefers_gzip(",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ()))):
        headers[hdrs.CONTENT_ENCODING] = "gzip"
        response.body = await _compressed(body)
    return response


def _not_modified(response: web.Response) -> web.Response:
    """The same headers, so that what the client has kept is renewed, and no body."""
    if _is_compressible(response):
        _vary(response)
    kept = response.headers.copy()
    for name in (hdrs.CONTENT_TYPE, hdrs.CONTENT_LENGTH):
        kept.popall(name, None)
    return web.Response(status=304, headers=kept)


def _weak_tag(body: bytes) -> str:
    """Weak: the same for the plain and the compressed form."""
    return f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def _has_already(lists: list[str] | tuple[str, ...], tag: str) -> bool:
    """Compare weakly (RFC 9110, 13.1.2); `*` means whatever there is."""
    if not lists:
        return False
    wanted = ",".join(lists)
    return wanted.strip() == "*" or tag.removeprefix("W/") in _ENTITY_TAG.findall(wanted)


def _is_compressible(response: web.Response) -> bool:
    return (
        hdrs.CONTENT_ENCODING not in response.headers
        and _COMPRESSIBLE.fullmatch(response.content_type) is not None
    )


async def _compressed(body: bytes) -> bytes:
    if len(body) < COMPRESS_APART_FROM_BYTES:
        return _gzip(body)
    return await asyncio.get_running_loop().run_in_executor(None, _gzip, body)


def _gzip(body: bytes) -> bytes:
    return zlib.compress(body, _LEVEL, _GZIP_WINDOW)


def _vary(response: web.Response) -> None:
    before = response.headers.get(hdrs.VARY, "")
    if hdrs.ACCEPT_ENCODING.lower() not in before.lower():
        response.headers[hdrs.VARY] = f"{before}, {hdrs.ACCEPT_ENCODING}" if before else hdrs.ACCEPT_ENCODING
