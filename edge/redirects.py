"""`/l/{code}`: look the link up, decide, classify the visit, record the click, answer.

This is the path of nearly all traffic. It takes a request's head and gives back prepared bytes; where links
and clicks are kept is in `edge.lookup` and `edge.recording`.
"""

import re
import time

import structlog

from edge import link_pages
from edge.answers import Answer, AnswerHeads
from edge.classification import classify
from edge.client_address import ClientAddresses
from edge.cookies import ClickCookie
from edge.destinations import location
from edge.link_codes import link_code
from edge.link_pages import headers_and_body
from edge.lookup import LinkLookup, LinkUnavailable
from edge.metrics import EdgeMetrics
from edge.problems import Problem
from edge.recording import ClickRecorder, Visitor
from edge.request_head import RequestHead
from edge.request_ids import RequestIds
from edge.served_link import ServedLink
from edge.visitors import visitor_network
from millrace.streams.ids import id_text, id_time_ms, new_id_bytes
from millrace.streams.links import LinkSnapshot

log = structlog.get_logger()

_PREFIX = "/l/"
# Longer hosts exist and are not worth their room in every stream entry.
_REFERRER_HOST = re.compile(r"https?://([A-Za-z0-9.-]{1,100})(?::[0-9]{1,5})?(?:[/?#]|$)", re.IGNORECASE)


class Redirects:
    """Answers every request below `/l/`, whatever its method."""

    def __init__(
        self,
        *,
        lookup: LinkLookup,
        recorder: ClickRecorder,
        cookie: ClickCookie,
        addresses: ClientAddresses,
        heads: AnswerHeads,
        request_ids: RequestIds,
        metrics: EdgeMetrics,
    ) -> None:
        self._lookup = lookup
        self._recorder = recorder
        self._cookie = cookie
        self._addresses = addresses
        self._heads = heads
        self._request_ids = request_ids
        self._metrics = metrics
        self._meter = metrics.route("/l/{code}")

    async def answer(self, request: RequestHead) -> Answer:
        """Answer with a redirect or the reason why there is none. The click is in Redis, or counted as
        unrecorded, before this returns.
        """
        started = time.perf_counter()
        request_id = self._request_ids.choose(request.headers.get("X-Request-Id"))
        try:
            answer = await self._answer(request, request_id)
        except Exception:
            log.exception("redirect_failed", request_id=request_id)
            self._metrics.unforeseen_errors += 1
            answer = self._refuse(request, link_pages.UNFORESEEN, request_id)
        self._meter.observe(answer.status, time.perf_counter() - started)
        return answer

    async def _answer(self, request: RequestHead, request_id: str) -> Answer:  # noqa: PLR0911 - guards
        if request.method not in {"GET", "HEAD"}:
            return self._refuse(request, link_pages.WRONG_METHOD, request_id)
        raw_code, _, query = request.target[len(_PREFIX) :].partition("?")
        code = link_code(raw_code)
        if code is None:
            return self._refuse(request, link_pages.NOT_FOUND, request_id)
        try:
            served = self._lookup.remembered(code) or await self._lookup.find(code)
        except LinkUnavailable:
            return self._refuse(request, link_pages.UNAVAILABLE, request_id)
        if served is None:
            return self._refuse(request, link_pages.NOT_FOUND, request_id)
        click_id = new_id_bytes()
        target = served.target_at(id_time_ms(click_id))
        if target is None:
            return self._end(request, served, request_id)
        target = _with_options(target, served.link, query, click_id)
        if request.method == "HEAD":
            return self._send_to(request, target, request_id)
        visitor = self._visitor(request)
        await self._recorder.record(served.link, click_id, visitor)
        cookie = self._cookie.header(served.link, click_id) if visitor.human else ""
        return self._send_to(request, target, request_id, cookie)

    def _end(self, request: RequestHead, served: ServedLink, request_id: str) -> Answer:
        """Answer for a link that was: its fallback without cookie or click, or a page that says so."""
        if served.fallback is not None:
            return self._send_to(request, served.fallback, request_id)
        return self._refuse(request, link_pages.GONE, request_id)

    def _send_to(self, request: RequestHead, target: str, request_id: str, cookie: str = "") -> Answer:
        headers = (
            f"Location: {target}\r\nCache-Control: private, no-store\r\nX-Robots-Tag: noindex\r\n{cookie}"
        )
        return self._heads.frame(request, 302, request_id, headers)

    def _refuse(self, request: RequestHead, problem: Problem, request_id: str) -> Answer:
        headers, body = headers_and_body(problem, request.headers.get("Accept", ""), request_id)
        return self._heads.frame(request, problem.status, request_id, headers, body)

    def _visitor(self, request: RequestHead) -> Visitor:
        headers = request.headers
        visit = classify(headers)
        address = self._addresses.client_of(request.peer, headers.getall("X-Forwarded-For", ()))
        return Visitor(
            visitor_network(address), visit.human, visit.device, referrer_host(headers.get("Referer"))
        )


def _with_options(target: str, link: LinkSnapshot, query: str, click_id: bytes) -> str:
    parameter = link.click_id_parameter
    forwarded = query if link.forward_query else ""
    if not (forwarded or parameter):
        return target
    return location(
        target,
        forwarded_query=forwarded,
        click_id_parameter=parameter,
        click_id=id_text(click_id) if parameter else "",
    )


def referrer_host(referrer: str | None) -> str | None:
    """Return the host of a Referer header in lower case, or None; never its path, which may name a person."""
    if not referrer:
        return None
    match = _REFERRER_HOST.match(referrer)
    return match[1].lower() if match else None
