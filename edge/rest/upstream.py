"""What goes along with an RPC beside its message: the metadata that may travel on, and the time left."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Sequence

from aiohttp import web

from edge.problems import Problem
from edge.request_keys import REQUEST_ID

Metadata = Sequence[tuple[str, str]]

# Half of what gRPC servers take before they refuse at random; the rest is left to gRPC's own headers.
MAX_METADATA_BYTES = 8192

_FORWARDED_HEADERS = ("authorization", "traceparent", "accept-language", "idempotency-key")
_KEY = re.compile(r"[0-9a-z_.-]+", re.ASCII)
_VALUE = re.compile(r"[ -~]+", re.ASCII)


def forward_allowed(request: web.Request) -> list[tuple[str, str]]:
    """The allow-listed headers and the request id; the client's address is left to who knows the proxies."""
    headers = request.headers
    pairs = [(name, headers[name]) for name in _FORWARDED_HEADERS if name in headers]
    request_id = request.get(REQUEST_ID)
    return [*pairs, ("x-request-id", request_id)] if request_id else pairs


def sendable(pairs: Metadata) -> tuple[tuple[str, str], ...]:
    """The pairs that gRPC can carry: it refuses the whole call for one with other than printable ASCII.

    Raises `Problem` 431 when together they are more than servers take.
    """
    sent = tuple([pair for pair in pairs if _KEY.fullmatch(pair[0]) and _VALUE.fullmatch(pair[1])])
    if sum([len(key) + len(value) for key, value in sent]) > MAX_METADATA_BYTES:
        raise Problem(431, detail="The headers that are passed on are too large together.")
    return sent


class Deadline:
    """When the caller must have an answer; started at the door, so that reading the body counts.

    `seconds` may be infinite: a stream ends when it ends.
    """

    __slots__ = ("_at", "_loop")

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._at = self._loop.time() + seconds

    def remaining(self) -> float | None:
        """Seconds left, None for no end of them. Raises `Problem` 504 when there are none left."""
        if self._at == math.inf:
            return None
        left = self._at - self._loop.time()
        if left <= 0:
            raise Problem(504, detail="The request took too long.")
        return left
