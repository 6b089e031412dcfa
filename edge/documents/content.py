"""A body that is compressed once and then sent to everyone who does not have it yet."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import ETag, hdrs, web

from edge.accept import prefers_gzip

# Browsers keep what has its content in its name; everything else they ask about again.
FOREVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "public, no-cache"


@dataclass(frozen=True)
class Content:
    """Bytes ready to be sent, plain and gzipped. The name of its content is `digest`."""

    media_type: str
    plain: bytes
    cache_control: str = ASK_AGAIN
    headers: Mapping[str, str] = field(default_factory=dict)
    zipped: bytes = field(init=False, repr=False)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "zipped", gzip.compress(self.plain, 6, mtime=0))
        object.__setattr__(self, "digest", hashlib.sha256(self.plain).hexdigest()[:16])

    def answer(self, request: web.Request) -> web.Response:
        """Answer a GET or HEAD: 304 to who has these bytes, else the bytes in the coding that suits.

        The ETag is weak because both codings share it.
        """
        headers = {
            **self.headers,
            hdrs.CACHE_CONTROL: self.cache_control,
            hdrs.ETAG: f'W/"{self.digest}"',
            hdrs.VARY: hdrs.ACCEPT_ENCODING,
        }
        if self._is_known(request.if_none_match):
            return web.Response(status=304, headers=headers)
        headers[hdrs.CONTENT_TYPE] = self.media_type
        if not prefers_gzip(",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ()))):
            return web.Response(body=self.plain, headers=headers)
        headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=self.zipped, headers=headers)

    def _is_known(self, tags: tuple[ETag, ...] | None) -> bool:
        return any(tag.value in {self.digest, "*"} for tag in tags or ())
