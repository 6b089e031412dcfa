"""What every answer of the application gets, whoever made it: an id, a problem document, headers, a count.

The redirect does not pass here; it frames its own answers with the same things.
"""

import time
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from edge.answers import AnswerHeads
from edge.guarded_protocol import GuardedProtocol
from edge.metrics import EdgeMetrics
from edge.problems import Problem
from edge.request_ids import RequestIds
from edge.request_keys import EXPECTS_CONTINUE, REQUEST_ID, ROUTE

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# For a page that brings no policy of its own.
_NOTHING_ALLOWED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_UNFORESEEN = Problem(500, detail="The request could not be completed.", code="INTERNAL")


def name_requests(request_ids: RequestIds) -> Middleware:
    """Put the request id into `request[REQUEST_ID]`, the log context and the answer."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        request_id = request_ids.choose(request.headers.get("X-Request-Id"))
        request[REQUEST_ID] = request_id
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            return await handler(request)

    return middleware


def measure_routes(metrics: EdgeMetrics) -> Middleware:
    """Count rate, errors and duration by route; the label comes from our routes, never from the path."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        response = await handler(request)
        elapsed = time.perf_counter() - started
        metrics.route(_route_of(request)).observe(response.status, elapsed)
        log.debug("request_answered", method=request.method, status=response.status, seconds=elapsed)
        return response

    return middleware


def answer_problems(metrics: EdgeMetrics) -> Middleware:
    """Turn every exception into a problem document; an unforeseen one is logged and says nothing."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Problem as problem:
            return problem.response(request[REQUEST_ID])
        except web.HTTPException as error:
            return _problem_of(error).response(request[REQUEST_ID])
        except Exception:
            log.exception("request_failed", method=request.method, route=_route_of(request))
            metrics.unforeseen_errors += 1
            return _UNFORESEEN.response(request[REQUEST_ID])

    return middleware


def finish_headers(heads: AnswerHeads) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Make a signal handler that adds the headers every answer carries and drops the server's banner.

    It also ends the connection where the answer says so, at shutdown, and where the client still waits to be
    told to send a body that nobody wants.
    """

    async def on_response_prepare(request: web.Request, response: web.StreamResponse) -> None:
        headers = response.headers
        headers.popall(hdrs.SERVER, None)
        headers["X-Content-Type-Options"] = "nosniff"
        headers.setdefault("Referrer-Policy", "no-referrer")
        headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
        if response.content_type == "text/html":
            headers.setdefault("Content-Security-Policy", _NOTHING_ALLOWED)
        request_id = request.get(REQUEST_ID)
        if request_id is not None:
            headers["X-Request-Id"] = request_id
        unasked = request.get(EXPECTS_CONTINUE) and not request.content.is_eof()
        if unasked and isinstance(request.protocol, GuardedProtocol):
            request.protocol.hear_no_more()
        if unasked or heads.closing or headers.get(hdrs.CONNECTION) == "close":
            headers[hdrs.CONNECTION] = "close"
            response.force_close()

    return on_response_prepare


def _route_of(request: web.Request) -> str:
    named = request.get(ROUTE)
    if isinstance(named, str):
        return named
    resource = request.match_info.route.resource
    return "unknown" if resource is None else resource.canonical


def _problem_of(error: web.HTTPException) -> Problem:
    allow = error.headers.get(hdrs.ALLOW)
    return Problem(
        error.status,
        # The text of aiohttp's own errors is the status again; nothing of the request is echoed.
        detail=f"{error.status}: {error.reason}",
        headers={hdrs.ALLOW: allow} if allow else None,
    )
