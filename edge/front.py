"""Decides, request by request, who answers: the redirect, the application, or nobody."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import Any

import structlog
from aiohttp import HttpVersion, HttpVersion10, HttpVersion11, web
from aiohttp.http_exceptions import ContentEncodingError, LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from edge.answers import Answer, AnswerHeads, PreparedResponse
from edge.client_address import NOBODY, ClientAddresses, Peer
from edge.connections import PREFIX, Connection
from edge.hosts import is_valid_host
from edge.metrics import EdgeMetrics
from edge.problems import Problem
from edge.redirects import Redirects
from edge.request_head import RequestHead
from edge.request_ids import RequestIds

log = structlog.get_logger()

_MALFORMED = Problem(400, detail="The request is not well-formed HTTP.", code="INVALID_ARGUMENT")
_TOO_LONG = Problem(431, detail="The request line or a header is too long.", code="INVALID_ARGUMENT")
_WRONG_HOST = Problem(400, detail="Send exactly one valid Host header.", code="INVALID_ARGUMENT")
_WRONG_VERSION = Problem(505, detail="HTTP/1.0 and HTTP/1.1 are spoken here.", code="UNIMPLEMENTED")
_WRONG_EXPECTATION = Problem(417, detail="Expect nothing but 100-continue.", code="INVALID_ARGUMENT")
_WRONG_CODING = Problem(
    415,
    detail="Send the body plain or with gzip.",
    code="INVALID_ARGUMENT",
    headers={"Accept-Encoding": "gzip"},
)
_UNFORESEEN = Problem(500, detail="The request could not be completed.", code="INTERNAL")


class Front(web.Server):
    """The server that clients connect to. `inner` is the application's, which gets what is no link.

    Also keeps the books of connections: how many each address has.
    """

    def __init__(
        self,
        inner: web.Server,
        redirects: Redirects,
        *,
        heads: AnswerHeads,
        request_ids: RequestIds,
        addresses: ClientAddresses,
        metrics: EdgeMetrics,
        max_connections_per_address: int,
    ) -> None:
        super().__init__(self._dispatch, request_factory=self._make_request_for)
        self._inner = inner
        self._redirect = redirects.answer
        self._heads = heads
        self._request_ids = request_ids
        self._metrics = metrics
        self._max_per_address = max_connections_per_address
        self._per_address: Counter[bytes] = Counter()
        self.addresses = addresses
        self.refused = metrics.connections_refused

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop)

    def admit(self, peer: Peer) -> bool:
        """Count a new connection in, unless its address has too many. Our own proxies may have any number."""
        if self._per_address[peer.address] >= self._max_per_address and not peer.trusted:
            self.refused["too_many"] += 1
            return False
        self._per_address[peer.address] += 1
        return True

    def release(self, peer: Peer) -> None:
        """Count a connection out."""
        self._per_address[peer.address] -= 1
        if self._per_address[peer.address] <= 0:
            del self._per_address[peer.address]

    def answer_link(self, head: RequestHead) -> Awaitable[Answer]:
        """Answer a request below `/l/`. Never raises: what nobody foresaw becomes an answer, too."""
        problem = _refusal(head.version, head.headers.get("Host"))
        return self._redirect(head) if problem is None else self._refuse(head, problem)

    def answer_error(self, request: BaseRequest, status: int, exc: BaseException | None) -> PreparedResponse:
        """Answer a request that could not be parsed, or whose handler failed outside every middleware."""
        if status == 400:
            log.debug("request_not_parsed", kind=type(exc).__name__)
            self.refused["malformed"] += 1
            return self._closing_answer(request, _parsing_problem(exc))
        log.error("request_failed", exc_info=exc)
        self._metrics.unforeseen_errors += 1
        return self._closing_answer(request, _UNFORESEEN)

    def _closing_answer(self, request: BaseRequest, problem: Problem) -> PreparedResponse:
        return PreparedResponse(
            self._heads.refuse(_head_of(request), problem, self._request_ids.choose(None))
        )

    def _make_request_for(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: Any,
        task: "asyncio.Task[None]",
    ) -> BaseRequest:
        if message.url.absolute and message.method != "CONNECT":
            # The form that a client of a proxy sends, which every server has to take (RFC 9112, 3.2.2).
            url = message.url.relative()
            message = message._replace(path=str(url), url=url)
        return self._inner.request_factory(message, payload, protocol, writer, task)

    def _dispatch(self, request: BaseRequest) -> Awaitable[web.StreamResponse]:
        if request.raw_path.startswith(PREFIX):
            return self._answer_link_for_aiohttp(request)
        problem = _refusal(request.version, request.headers.get("Host")) or _unmet_expectation(request)
        if problem is not None:
            return self._refuse_for_aiohttp(request, problem)
        return self._inner.request_handler(request)

    async def _answer_link_for_aiohttp(self, request: BaseRequest) -> web.StreamResponse:
        return PreparedResponse(await self.answer_link(_head_of(request)))

    async def _refuse_for_aiohttp(self, request: BaseRequest, problem: Problem) -> web.StreamResponse:
        return PreparedResponse(await self._refuse(_head_of(request), problem))

    async def _refuse(self, head: RequestHead, problem: Problem) -> Answer:
        self.refused["malformed"] += 1
        return self._heads.refuse(head, problem, self._request_ids.choose(None))


def _refusal(version: HttpVersion, host: str | None) -> Problem | None:
    """Why a request is not served whatever it asks for. HTTP/1.0 may come without a Host."""
    if version is not HttpVersion11 and version is not HttpVersion10:
        return _WRONG_VERSION
    if host is not None and not is_valid_host(host):
        return _WRONG_HOST
    return None


def _unmet_expectation(request: BaseRequest) -> Problem | None:
    """aiohttp would refuse in plain text, and repeat what the client wrote. HTTP/1.0 expects nothing."""
    expected = request.headers.get("Expect")
    if expected is None or request.version is not HttpVersion11 or expected.lower() == "100-continue":
        return None
    return _WRONG_EXPECTATION


def _parsing_problem(exc: BaseException | None) -> Problem:
    if isinstance(exc, LineTooLong):
        return _TOO_LONG
    # Raised for a coding that aiohttp knows and this installation cannot undo, such as br.
    return _WRONG_CODING if isinstance(exc, ContentEncodingError) else _MALFORMED


def _head_of(request: BaseRequest) -> RequestHead:
    peer = request.protocol.peer if isinstance(request.protocol, Connection) else NOBODY
    return RequestHead(
        request.method, request.raw_path, request.version, request.headers, request.keep_alive, peer
    )
