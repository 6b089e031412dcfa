"""Two ways in for the same events: prepared bytes for a plain request, the application for any other."""

from __future__ import annotations

import time
from typing import Final

import msgspec
import structlog
from aiohttp import hdrs, web

from edge.answers import Answer, AnswerHeads
from edge.bodies import read_body
from edge.connections import EVENTS_PATH, head_of
from edge.cors import Cors
from edge.ingestion.acceptance import Ingestion
from edge.metrics import EdgeMetrics
from edge.problems import CONTENT_TYPE, Problem
from edge.request_head import RequestHead
from edge.request_ids import RequestIds

log = structlog.get_logger()

_METHODS: Final = "POST, OPTIONS"
# What `edge.middleware` gives the answers of the application.
_USUAL_HEADERS: Final = "Referrer-Policy: no-referrer\r\nCache-Control: no-store\r\n"
_ACCEPTED_HEADERS: Final = f"Content-Type: application/json\r\n{_USUAL_HEADERS}"
_UNFORESEEN: Final = Problem(500, detail="The request could not be completed.", code="INTERNAL")


class EventDoor:
    """Answers requests with events whose body is at hand, as `answer_events` answers all of them.

    Nearly all of the time that the application would take goes into requests, tasks and responses, not into
    events.
    """

    def __init__(
        self,
        ingestion: Ingestion,
        *,
        heads: AnswerHeads,
        request_ids: RequestIds,
        cors: Cors,
        metrics: EdgeMetrics,
    ) -> None:
        self._ingestion = ingestion
        self._heads = heads
        self._request_ids = request_ids
        self._cors = cors
        self._metrics = metrics
        self._meter = metrics.route(EVENTS_PATH)

    async def answer(self, request: RequestHead, body: bytes) -> Answer:
        """Answer a POST once its events are durable, or say why they are not. Never raises."""
        started = time.perf_counter()
        request_id = self._request_ids.choose(request.headers.get("X-Request-Id"))
        try:
            self._ingestion.require_welcome(request, has_body=bool(body))
            accepted = await self._ingestion.accept(request, body)
            headers = _ACCEPTED_HEADERS + self._readers(request)
            answer = self._heads.frame(request, 202, request_id, headers, accepted)
        except Problem as problem:
            answer = self._refuse(request, problem, request_id)
        except Exception:
            log.exception("request_failed", method=request.method, route=EVENTS_PATH, request_id=request_id)
            self._metrics.unforeseen_errors += 1
            answer = self._refuse(request, _UNFORESEEN, request_id)
        self._meter.observe(answer.status, time.perf_counter() - started)
        return answer

    def _refuse(self, request: RequestHead, problem: Problem, request_id: str) -> Answer:
        body = msgspec.json.encode(problem.document(request_id))
        headers = "".join(f"{name}: {value}\r\n" for name, value in problem.owed_headers().items())
        headers += f"Content-Type: {CONTENT_TYPE}\r\n{_USUAL_HEADERS}{self._readers(request)}"
        return self._heads.frame(request, problem.status, request_id, headers, body)

    def _readers(self, request: RequestHead) -> str:
        return self._cors.lines(request.headers.get(hdrs.ORIGIN)) if self._cors else ""


INGESTION: Final = web.AppKey("ingestion", Ingestion)


async def answer_events(request: web.Request) -> web.Response:
    """Answer whatever comes to the path of events. Raises `Problem`."""
    if request.method == hdrs.METH_OPTIONS:
        return web.Response(status=204, headers={hdrs.ALLOW: _METHODS})
    if request.method != hdrs.METH_POST:
        raise Problem(405, detail="Events are sent with POST.", headers={hdrs.ALLOW: _METHODS})
    ingestion, head = request.app[INGESTION], head_of(request)
    ingestion.require_welcome(head, has_body=request.body_exists)
    accepted = await ingestion.accept(head, await read_body(request))
    return web.Response(status=202, body=accepted, content_type="application/json")
