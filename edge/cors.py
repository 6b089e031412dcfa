"""Lets scripts of other origins read the API, when and only when an operator has named those origins."""

from collections.abc import Iterable
from typing import Final

from aiohttp import hdrs, web

ANY_ORIGIN: Final = "*"
PREFIX: Final = "/api/"

_REQUEST_HEADERS = (
    "Accept-Language, Authorization, Content-Encoding, Content-Type, Idempotency-Key, If-None-Match, "
    "Traceparent, X-Request-Id"
)
_ANSWER_HEADERS = "ETag, Retry-After, X-Request-Id"
_REMEMBER_SECONDS = 600


class Cors:
    """Says which origins may read an answer. Credentials go only with an origin named in full.

    False when nobody is allowed.
    """

    def __init__(self, origins: Iterable[str]) -> None:
        self._named = frozenset(origins) - {ANY_ORIGIN}
        self._anyone = ANY_ORIGIN in frozenset(origins)

    def __bool__(self) -> bool:
        return self._anyone or bool(self._named)

    async def allow(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add what the browser asks for to an answer that is about to leave; a preflight's included.

        A path that does not exist and a preflight from a stranger get nothing: the browser then refuses.
        """
        if not request.raw_path.startswith(PREFIX):
            return
        for name, value in self.permission(request.headers.get(hdrs.ORIGIN)).items():
            if name == hdrs.VARY:
                _vary(response, value)
            else:
                response.headers[name] = value
        headers = response.headers
        if hdrs.ACCESS_CONTROL_ALLOW_ORIGIN not in headers:
            return
        if request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers:
            headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = headers.get(hdrs.ALLOW, "")
            headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = _REQUEST_HEADERS
            headers[hdrs.ACCESS_CONTROL_MAX_AGE] = str(_REMEMBER_SECONDS)
        else:
            headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _ANSWER_HEADERS

    def permission(self, origin: str | None) -> dict[str, str]:
        """The headers that say who may read an answer; what stands under `Vary` already stays."""
        headers: dict[str, str] = {}
        if self._named:
            headers[hdrs.VARY] = hdrs.ORIGIN
        if origin is None:
            return headers
        if origin in self._named:
            headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            headers[hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS] = "true"
        elif self._anyone:
            headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = ANY_ORIGIN
        return headers

    def lines(self, origin: str | None) -> str:
        """The same for an answer that is framed by hand and is no preflight's: whole header lines."""
        headers = self.permission(origin)
        if hdrs.ACCESS_CONTROL_ALLOW_ORIGIN in headers:
            headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _ANSWER_HEADERS
        return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def _vary(response: web.StreamResponse, name: str) -> None:
    before = response.headers.get(hdrs.VARY)
    response.headers[hdrs.VARY] = f"{before}, {name}" if before else name
