"""Decides, request by request, who answers: the redirect, the door for events, the application, or nobody."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest
from multidict import CIMultiDictProxy
from yarl import URL

from edge.answers import Answer, AnswerHeads, PreparedResponse
from edge.client_address import ClientAddresses, Peer
from edge.connections import PREFIX, Connection, head_of
from edge.guarded_protocol import GuardedProtocol
from edge.limits import USUAL_LIMITS, Limits
from edge.metrics import EdgeMetrics
from edge.problems import Problem
from edge.refusals import (
    MALFORMED,
    UNKNOWN_METHOD,
    WRONG_EXPECTATION,
    WRONG_TARGET,
    Refusal,
    RefusedError,
    refusal_of_request,
)
from edge.request_head import RequestHead
from edge.request_ids import RequestIds
from edge.request_keys import EXPECTS_CONTINUE

log = structlog.get_logger()

# Answers a request below `/l/`, and never raises.
Redirect = Callable[[RequestHead], Awaitable[Answer]]
# Answers a POST of events whose body is whole, and never raises.
TakeEvents = Callable[[RequestHead, bytes], Awaitable[Answer]]

_EVERY_METHOD = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_UNFORESEEN = Problem(500, detail="The request could not be completed.", code="INTERNAL")


class Front(web.Server):
    """The server that clients connect to. `inner` is the application's, which gets what is no link; and
    everything, where no `redirect` is given. Events it gets when they come in an unusual way.

    Also keeps the books of connections: how many each address has.
    """

    def __init__(
        self,
        inner: web.Server,
        redirect: Redirect | None,
        *,
        heads: AnswerHeads,
        request_ids: RequestIds,
        addresses: ClientAddresses,
        metrics: EdgeMetrics,
        max_connections_per_address: int,
        take_events: TakeEvents | None = None,
        limits: Limits = USUAL_LIMITS,
    ) -> None:
        super().__init__(self._dispatch, request_factory=self._make_request_for)
        self._inner = inner
        self._redirect = redirect
        self.limits = limits
        self.follows_links = redirect is not None
        self.take_events = take_events
        self._heads = heads
        self._request_ids = request_ids
        self._metrics = metrics
        self._max_per_address = max_connections_per_address
        self._per_address: Counter[bytes] = Counter()
        self.addresses = addresses
        self.refused = metrics.refused
        metrics.gauge("connections_open", "Connections of clients", lambda: len(self._connections))

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop)

    @property
    def is_busy(self) -> bool:
        """Whether any client waits for an answer or for the rest of one."""
        return any(isinstance(each, GuardedProtocol) and each.is_busy for each in self._connections)

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
        refusal = refusal_of_request(head.version, head.headers)
        if refusal is not None or self._redirect is None:
            return self._refuse(head, refusal or MALFORMED)
        return self._redirect(head)

    def answer_error(self, request: BaseRequest, status: int, exc: BaseException | None) -> PreparedResponse:
        """Answer a request that could not be parsed, or whose handler failed outside every middleware."""
        if status != 400:
            self.note_failure(exc)
            return self._closing_answer(request, _UNFORESEEN)
        refusal = exc.refusal if isinstance(exc, RefusedError) else MALFORMED
        log.debug("request_refused", kind=refusal.kind)
        self.refused[refusal.kind] += 1
        return self._closing_answer(request, refusal.problem)

    def note_failure(self, error: BaseException | None) -> None:
        """Log and count what nobody foresaw."""
        log.error("request_failed", exc_info=error)
        self._metrics.unforeseen_errors += 1

    def _closing_answer(self, request: BaseRequest, problem: Problem) -> PreparedResponse:
        return PreparedResponse(self._heads.refuse(head_of(request), problem, self._request_ids.choose(None)))

    def _make_request_for(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: Any,
        task: "asyncio.Task[None]",
    ) -> BaseRequest:
        if message.path is None:  # as in `CONNECT` without a target
            message = message._replace(path="", url=URL("/"))
        if message.upgrade:
            # There is nothing to upgrade to; and what follows such a request the parser may have lost.
            message = message._replace(should_close=True)
        expects_continue = False
        if "Expect" in message.headers and _is_expectation_met(message):
            # Otherwise aiohttp would ask for the body before anybody has said that it is wanted.
            expects_continue = message.version == HttpVersion11
            message = message._replace(headers=_without(message.headers, "Expect"))
        if message.url.absolute and message.method != "CONNECT" and not _is_wrong_target(message):
            # The form that a client of a proxy sends, which every server has to take (RFC 9112, 3.2.2).
            url = message.url.relative()
            if not url.raw_path:
                url = URL.build(path="/", query_string=url.raw_query_string, encoded=True)
            message = message._replace(path=str(url), url=url)
        request = self._inner.request_factory(message, payload, protocol, writer, task)
        if expects_continue:
            request[EXPECTS_CONTINUE] = True
        return request

    def _dispatch(self, request: BaseRequest) -> Awaitable[web.StreamResponse]:
        if self.follows_links and request.raw_path.startswith(PREFIX):
            return self._answer_link_for_aiohttp(request)
        message = request._message
        refusal = refusal_of_request(message.version, message.headers)
        if refusal is None and message.method == "CONNECT":
            refusal = UNKNOWN_METHOD
        if refusal is None and "Expect" in message.headers:
            refusal = WRONG_EXPECTATION
        if refusal is None and _is_wrong_target(message):
            refusal = WRONG_TARGET
        if refusal is not None:
            return self._refuse_for_aiohttp(request, refusal)
        if message.path == "*":
            return self._answer_asterisk(request)
        return self._inner.request_handler(request)

    async def _answer_link_for_aiohttp(self, request: BaseRequest) -> web.StreamResponse:
        return PreparedResponse(await self.answer_link(head_of(request)))

    async def _refuse_for_aiohttp(self, request: BaseRequest, refusal: Refusal) -> web.StreamResponse:
        if isinstance(request.protocol, GuardedProtocol):
            request.protocol.hear_no_more()  # a body that nobody wants, from a client that nobody trusts
        return PreparedResponse(await self._refuse(head_of(request), refusal))

    async def _answer_asterisk(self, request: BaseRequest) -> web.StreamResponse:
        """OPTIONS for the server as a whole: what some path or other takes."""
        head, request_id = head_of(request), self._request_ids.choose(None)
        return PreparedResponse(self._heads.frame(head, 204, request_id, f"Allow: {_EVERY_METHOD}\r\n"))

    async def _refuse(self, head: RequestHead, refusal: Refusal) -> Answer:
        self.refused[refusal.kind] += 1
        return self._heads.refuse(head, refusal.problem, self._request_ids.choose(None))


def _is_expectation_met(message: RawRequestMessage) -> bool:
    """HTTP/1.0 expects nothing, whatever it says."""
    wishes = message.headers.getall("Expect")
    return message.version == HttpVersion10 or all(wish.lower() == "100-continue" for wish in wishes)


def _without(headers: CIMultiDictProxy[str], name: str) -> CIMultiDictProxy[str]:
    rest = headers.copy()
    rest.popall(name)
    return CIMultiDictProxy(rest)


def _is_wrong_target(message: RawRequestMessage) -> bool:
    """Whether this is a URL of another scheme or with credentials, or has a fragment."""
    url = message.url
    if not message.path:
        return True
    if url.absolute and (url.scheme not in {"http", "https"} or url.raw_user is not None):
        return message.method != "CONNECT"
    return "#" in message.path
