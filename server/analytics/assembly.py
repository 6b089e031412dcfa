"""Puts the analytics domain together from what a process has opened; it opens and closes nothing itself."""

from __future__ import annotations

from millrace.streams.event_writer import EventWriter
from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis
from server.analytics.asking import FindTimeZone, Questions
from server.analytics.dashboard import DashboardService
from server.analytics.dead_letters import DeadLetterService
from server.analytics.erase_requests import EraseRequests
from server.analytics.event_lookup import EventLookup
from server.analytics.funnel import FunnelService
from server.analytics.product_statistics import ProductStatisticsService
from server.analytics.realtime import RealtimeService
from server.analytics.servicer import AnalyticsServicer
from server.analytics.tracking import EventTracking, Pressure
from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs
from server.rpc.pages import PageTokens
from server.streams.freshness import StreamFreshness


def build_analytics(
    *,
    sessions: Sessions,
    redis: PipeliningRedis,
    keys: StreamKeys,
    writer: EventWriter,
    pressure: Pressure,
    jobs: Jobs,
    find_time_zone: FindTimeZone,
    page_tokens: PageTokens,
) -> AnalyticsServicer:
    """The servicer of `millrace.analytics.v1.AnalyticsService`.

    `find_time_zone()` answers the IANA name of the zone in which the shop reckons its days.
    """
    fresh = StreamFreshness(redis, [*keys.all_clicks(), *keys.all_events()])
    questions = Questions(complete_until=fresh.complete_until, find_time_zone=find_time_zone)
    return AnalyticsServicer(
        dashboards=DashboardService(sessions, questions=questions),
        products=ProductStatisticsService(sessions, questions=questions),
        funnels=FunnelService(sessions, questions=questions),
        realtime=RealtimeService(redis, keys, find_time_zone=find_time_zone),
        lookup=EventLookup(sessions, redis, keys),
        tracking=EventTracking(writer, pressure),
        erasures=EraseRequests(sessions, jobs),
        dead_letters=DeadLetterService(sessions, redis, keys),
        page_tokens=page_tokens,
    )
