"""The public door: everybody reads pictures by their key; nothing else of the bucket is there to be seen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import aiohttp
import structlog
from aiohttp import web
from yarl import URL

from server.media.content_types import EXTENSIONS
from server.media.keys import IMMUTABLE, VARIANTS, is_ours
from server.media.store import ObjectStore, StoreUnavailable
from server.standalone.bucket_door.relay import NO_ANSWER, RETRY_AFTER_SECONDS, pass_on

log = structlog.get_logger(__name__)

READY_PATH: Final = "/readyz"
_TYPES: Final = {extension: content_type for content_type, extension in EXTENSIONS.items()}
_SIGNED_SECONDS: Final = 60
# Requests for a part, or for what is newer than the caller's; RFC 9110, 13 and 14.
_PASSED_ON: Final = ("If-Range", "If-None-Match", "If-Modified-Since")
# One part. For several, or for what is no range at all, the whole is an answer too (RFC 9110, 14.2).
_ONE_PART: Final = re.compile(r"bytes=(?:\d{1,18}-\d{0,18}|-\d{1,18})")
_PASSED_BACK: Final = ("Content-Length", "Content-Range", "Accept-Ranges", "ETag", "Last-Modified")
_TO_EVERYBODY: Final = {
    "X-Content-Type-Options": "nosniff",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
# An original shown by itself is only ever a picture, whatever somebody put into its bytes.
_ONLY_SHOWN: Final = {"Content-Security-Policy": "default-src 'none'; sandbox"}
# Until it is READY an original may be replaced, and it may be deleted at any time.
_ASK_AGAIN: Final = "no-cache"


class PictureDoor:
    """Answers GET and HEAD of keys. It reads with the store's own keys and writes nothing."""

    def __init__(self, session: aiohttp.ClientSession, store: ObjectStore) -> None:
        self._session = session
        self._store = store

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """A picture, a part of one, 304 for one that the caller has, or a problem that says what is wrong."""
        if request.method not in {"GET", "HEAD"}:
            return _problem(405, "Pictures are only read here.", {"Allow": "GET, HEAD"})
        path = request.raw_path.partition("?")[0]
        if path == READY_PATH:
            return await self._readiness()
        # The letters of our keys need no escaping, so whatever is escaped in a path is none of them.
        key = path.removeprefix("/")
        content_type = _TYPES.get(key.rpartition(".")[2])
        if content_type is None or not is_ours(key):
            return _no_such_picture()
        try:
            return await self._read(request, key, content_type)
        except (StoreUnavailable, *NO_ANSWER) as error:
            log.warning("store_not_reached", error=type(error).__name__)
            return _unavailable()

    async def _read(self, request: web.BaseRequest, key: str, content_type: str) -> web.StreamResponse:
        url = await self._store.presign_read(key, method=request.method, expires_seconds=_SIGNED_SECONDS)
        asking = self._session.request(
            request.method, URL(url, encoded=True), headers=_wishes(request), allow_redirects=False
        )
        async with asking as answer:
            if answer.status in {404, 416}:
                return _refused(answer)
            if answer.status not in {200, 206, 304}:
                log.error("store_refused_read", status=answer.status, hint="check the keys and the bucket")
                return _unavailable()
            kept = {name: value for name in _PASSED_BACK if (value := answer.headers.get(name))}
            described = {**_TO_EVERYBODY, **_ONLY_SHOWN, "Cache-Control": _freshness(key), **kept}
            if _is_still_the_same(request, answer):
                del described["Content-Length"]
                return web.Response(status=304, headers=described)
            if answer.status != 304:
                described["Content-Type"] = content_type
            # Not every store says by its status that this is a part.
            status = 206 if "Content-Range" in kept else answer.status
            return await pass_on(request, answer, described, status=status)

    async def _readiness(self) -> web.Response:
        state = await self._store.probe()
        status = HTTPStatus.OK if state == "up" else HTTPStatus.SERVICE_UNAVAILABLE
        return web.json_response({"dependencies": {"s3": state}}, status=status)


def _wishes(request: web.BaseRequest) -> dict[str, str]:
    """The caller's headers that the store is to heed."""
    wishes = {name: value for name in _PASSED_ON if (value := request.headers.get(name))}
    part = request.headers.get("Range", "")
    return wishes | {"Range": part} if _ONE_PART.fullmatch(part) else wishes


def _is_still_the_same(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> bool:
    """Whether it is what the caller has, by one of several tags or by the date, which not every store looks
    at; RFC 9110, 13.1.2 and 13.1.3.
    """
    if answer.status != 200:
        return False
    if "If-None-Match" in request.headers:
        tag = answer.headers.get("ETag", "").removeprefix("W/").strip('"')
        return any(each.value in (tag, "*") for each in request.if_none_match or ())
    since = request.if_modified_since
    if since is None:
        return False
    changed_at = answer.headers.get("Last-Modified")
    return changed_at is not None and parsedate_to_datetime(changed_at) <= since


def _freshness(key: str) -> str:
    return IMMUTABLE if key.startswith(VARIANTS) else _ASK_AGAIN


def _refused(answer: aiohttp.ClientResponse) -> web.Response:
    if answer.status == 404:
        return _no_such_picture()
    size = answer.headers.get("Content-Range")
    return _problem(416, "The picture does not reach that far.", {"Content-Range": size} if size else {})


def _no_such_picture() -> web.Response:
    return _problem(404, "There is no picture here.")


def _unavailable() -> web.Response:
    retry = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return _problem(503, "The store of pictures does not answer now; try again in a moment.", retry)


def _problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """RFC 9457; nobody keeps it."""
    body = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return web.json_response(
        body,
        status=status,
        content_type="application/problem+json",
        headers={**_TO_EVERYBODY, "Cache-Control": "no-store", **(headers or {})},
    )
