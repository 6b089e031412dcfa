"""The upload door: S3 as the store speaks it, which browsers of other origins may use too."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Final

import aiohttp
import structlog
from aiohttp import web
from yarl import URL

from server.standalone.bucket_door.relay import (
    NO_ANSWER,
    PIECE_BYTES,
    RETRY_AFTER_SECONDS,
    end_to_end,
    pass_on,
)

log = structlog.get_logger(__name__)

ANY_ORIGIN: Final = "*"
_METHODS: Final = ("GET", "HEAD", "PUT", "POST", "DELETE")
_REMEMBER_SECONDS: Final = 600
# What describes an upload. The signature says which of them must be there and with which value.
_HARMLESS: Final = re.compile(
    r"content-(?:type|md5|disposition|encoding|language)|cache-control|x-amz-[a-z0-9-]{1,60}"
)
_MOST_HEADERS: Final = 32


class UploadDoor:
    """Lets requests through to the store unchanged: with another Host no signature would be right.

    Who may do what is the store's to judge, by the signature; `origins` are those whose pages may read the
    answers. No cookie plays a part, so a foreign page can do no more than whoever has a signed URL anyway.
    """

    def __init__(self, session: aiohttp.ClientSession, endpoint: str, origins: Iterable[str]) -> None:
        self._session = session
        self._endpoint = endpoint.rstrip("/")
        self._origins = frozenset(origins)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """The store's own answer, its refusals too, or a 503 in the form that S3 clients know."""
        permission = self._permission(request.headers.get("Origin"))
        if request.method == "OPTIONS":
            return _preflight(request, permission)
        if request.method not in _METHODS:
            return _error(405, "MethodNotAllowed", {**permission, "Allow": ", ".join(_METHODS)})
        if not request.raw_path.startswith("/"):
            return _error(400, "InvalidURI", permission)
        try:
            async with self._forward(request) as answer:
                own = {
                    name: value for name, value in end_to_end(answer.headers).items() if not _is_cors(name)
                }
                return await pass_on(request, answer, {**own, **permission})
        except NO_ANSWER as error:
            log.warning("store_not_reached", error=type(error).__name__)
            retry = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            return _error(503, "ServiceUnavailable", {**permission, **retry})

    def _forward(self, request: web.BaseRequest) -> aiohttp.client._RequestContextManager:
        """Asks the store first whether it wants the body: a refusal then comes before megabytes are sent."""
        has_body = request.body_exists
        return self._session.request(
            request.method,
            URL(self._endpoint + request.raw_path, encoded=True),
            headers=end_to_end(request.headers),
            data=_pieces(request) if has_body else None,
            expect100=has_body,
            allow_redirects=False,
        )

    def _permission(self, origin: str | None) -> dict[str, str]:
        """The headers that say who may read the answer."""
        if ANY_ORIGIN in self._origins:
            allowed = ANY_ORIGIN
        elif origin in self._origins:
            allowed = str(origin)
        else:
            return {"Vary": "Origin"}
        return {
            "Access-Control-Allow-Origin": allowed,
            "Access-Control-Expose-Headers": "ETag, Retry-After, x-amz-request-id",
            "Vary": "Origin",
        }


async def _pieces(request: web.BaseRequest) -> AsyncIterator[bytes]:
    async for piece in request.content.iter_chunked(PIECE_BYTES):
        yield piece


def _preflight(request: web.BaseRequest, permission: Mapping[str, str]) -> web.Response:
    """May the page send this? Its browser asks before every PUT."""
    if "Access-Control-Allow-Origin" not in permission:
        return _error(403, "AccessForbidden", permission)
    asked = request.headers.get("Access-Control-Request-Headers", "").lower().split(",")
    allowed = [name.strip() for name in asked[:_MOST_HEADERS] if _HARMLESS.fullmatch(name.strip())]
    return web.Response(
        status=204,
        headers={
            **permission,
            "Access-Control-Allow-Methods": "GET, HEAD, PUT",
            "Access-Control-Allow-Headers": ", ".join(allowed),
            "Access-Control-Max-Age": str(_REMEMBER_SECONDS),
        },
    )


def _is_cors(name: str) -> bool:
    return name.lower().startswith("access-control-") or name.lower() == "vary"


def _error(status: int, code: str, headers: Mapping[str, str]) -> web.Response:
    """As S3 writes its errors."""
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>'
    return web.Response(status=status, text=text, content_type="application/xml", headers=headers)
