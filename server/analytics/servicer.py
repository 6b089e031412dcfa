"""AnalyticsService on the wire: messages in, messages out. Questions, transactions and rules live below."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from google.api.httpbody_pb2 import HttpBody
from google.rpc.context.attribute_context_pb2 import AttributeContext

from millrace.analytics.v1 import analytics_service_pb2 as rpc
from millrace.analytics.v1 import dashboard_pb2
from millrace.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceServicer
from millrace.analytics.v1.event_pb2 import EventLocation
from millrace.analytics.v1.realtime_pb2 import Realtime
from server.analytics import csv_tables, event_messages, messages
from server.analytics.asking import RangeAsked
from server.analytics.dashboard import DashboardService
from server.analytics.dead_letters import DeadLetterService
from server.analytics.erase_requests import EraseRequests
from server.analytics.event_lookup import EventLookup
from server.analytics.funnel import FunnelService
from server.analytics.product_statistics import ProductStatisticsService
from server.analytics.realtime import RealtimeService
from server.analytics.tracking import EventTracking, Outcome
from server.auth.actor import current_actor
from server.rpc.pages import PageTokens

_CSV_TYPE = "text/csv; charset=utf-8"
_MOST_REPLAYED = 1_000


class _AsksARange(Protocol):
    @property
    def start(self) -> str: ...
    @property
    def end(self) -> str: ...
    @property
    def timezone(self) -> str: ...


class AnalyticsServicer(AnalyticsServiceServicer):
    """Every RPC of `millrace.analytics.v1.AnalyticsService`."""

    def __init__(
        self,
        *,
        dashboards: DashboardService,
        products: ProductStatisticsService,
        funnels: FunnelService,
        realtime: RealtimeService,
        lookup: EventLookup,
        tracking: EventTracking,
        erasures: EraseRequests,
        dead_letters: DeadLetterService,
        page_tokens: PageTokens,
    ) -> None:
        self._dashboards = dashboards
        self._products = products
        self._funnels = funnels
        self._realtime = realtime
        self._lookup = lookup
        self._tracking = tracking
        self._erasures = erasures
        self._dead_letters = dead_letters
        self._pages = page_tokens

    async def warm_up(self) -> None:
        """Make the first answer as fast as the others."""
        await self._dashboards.warm_up()

    async def GetDashboard(self, request: rpc.GetDashboardRequest, context: Any) -> dashboard_pb2.Dashboard:  # noqa: N802
        dashboard = await self._dashboards.read(_asked(request, request.interval))
        return messages.dashboard_message(dashboard)

    async def ExportDashboard(self, request: rpc.ExportDashboardRequest, context: Any) -> HttpBody:  # noqa: N802
        dashboard = await self._dashboards.read(_asked(request, request.interval))
        table = request.table or "series"
        return await _csv(f"dashboard-{table}", csv_tables.dashboard_table, dashboard, table)

    async def GetProductStatistics(  # noqa: N802
        self, request: rpc.GetProductStatisticsRequest, context: Any
    ) -> dashboard_pb2.ProductStatistics:
        asked = _asked(request, request.interval)
        return messages.product_message(await self._products.read(request.product_id, asked))

    async def ExportProduct(self, request: rpc.ExportProductRequest, context: Any) -> HttpBody:  # noqa: N802
        statistics = await self._products.read(request.product_id, _asked(request, request.interval))
        return await _csv("product-series", csv_tables.product_table, statistics)

    async def GetRealtime(self, request: rpc.GetRealtimeRequest, context: Any) -> Realtime:  # noqa: N802
        return messages.realtime_message(await self._realtime.read())

    async def ExportRealtime(self, request: rpc.ExportRealtimeRequest, context: Any) -> HttpBody:  # noqa: N802
        return await _csv("realtime-minutes", csv_tables.realtime_table, await self._realtime.read())

    async def GetFunnel(self, request: rpc.GetFunnelRequest, context: Any) -> dashboard_pb2.Funnel:  # noqa: N802
        return messages.funnel_message(await self._funnels.read(_asked(request)))

    async def ExportFunnel(self, request: rpc.ExportFunnelRequest, context: Any) -> HttpBody:  # noqa: N802
        return await _csv("funnel-steps", csv_tables.funnel_table, await self._funnels.read(_asked(request)))

    async def GetEvent(self, request: rpc.GetEventRequest, context: Any) -> EventLocation:  # noqa: N802
        return event_messages.location_message(await self._lookup.find(uuid.UUID(request.event_id)))

    async def TrackEvents(self, request: rpc.TrackEventsRequest, context: Any) -> rpc.TrackEventsResponse:  # noqa: N802
        tracked = await self._tracking.track(
            [event_messages.read_tracked(event) for event in request.events],
            [event_messages.read_origin(event) for event in request.events],
            sent_at_ms=event_messages.read_sent_at(request),
        )
        accepted = sum(verdict.outcome is Outcome.ACCEPTED for verdict in tracked.verdicts)
        return rpc.TrackEventsResponse(
            accepted=accepted - tracked.duplicates,
            duplicates=tracked.duplicates,
            results=map(event_messages.result_message, tracked.verdicts),
        )

    async def EraseVisitor(self, request: rpc.EraseVisitorRequest, context: Any) -> rpc.EraseVisitorResponse:  # noqa: N802
        by_user = request.WhichOneof("visitor") == "user_id"
        job_id = await self._erasures.request(
            current_actor(),
            user_id=request.user_id if by_user else None,
            session_id=None if by_user else request.session_id,
        )
        return rpc.EraseVisitorResponse(job_id=str(job_id))

    async def ListDeadLetters(  # noqa: N802
        self, request: rpc.ListDeadLettersRequest, context: Any
    ) -> rpc.ListDeadLettersResponse:
        caller = current_actor().principal.identity
        page = self._pages.open(request, caller=caller)
        after = None
        if page.after:
            died_at, stream, entry_id, position = page.after
            after = (datetime.fromisoformat(str(died_at)), str(stream), str(entry_id), int(position))
        # One more than asked for tells whether there is a next page.
        found = await self._dead_letters.page(request.reason or None, size=page.size + 1, after=after)
        shown = found[: page.size]
        answer = rpc.ListDeadLettersResponse(dead_letters=map(event_messages.letter_message, shown))
        if len(found) > page.size:
            last = shown[-1]
            place = (last.died_at.isoformat(), last.stream, last.entry_id, last.position)
            answer.next_page_token = self._pages.seal(request, caller=caller, after=place)
        return answer

    async def ReplayDeadLetters(  # noqa: N802
        self, request: rpc.ReplayDeadLettersRequest, context: Any
    ) -> rpc.ReplayDeadLettersResponse:
        limit = request.limit or _MOST_REPLAYED
        replay = await self._dead_letters.replay(current_actor(), request.reason or None, limit=limit)
        return rpc.ReplayDeadLettersResponse(replayed=replay.replayed, kept=replay.kept)


def _asked(request: _AsksARange, interval: str = "") -> RangeAsked:
    return RangeAsked(request.start, request.end, request.timezone, interval)


async def _csv(name: str, make_table: Callable[..., bytes], *facts: object) -> HttpBody:
    """The table as a file that browsers save under the name."""
    # A series may have over a thousand rows.
    body = HttpBody(content_type=_CSV_TYPE, data=await asyncio.to_thread(make_table, *facts))
    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    body.extensions.add().Pack(AttributeContext.Response(headers=headers))
    return body
