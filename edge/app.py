"""The composition root of the edge: opens what it needs, in order, and closes it in reverse."""

from collections.abc import AsyncIterator

import grpc
from aiohttp import web
from google.protobuf.descriptor import MethodDescriptor

from edge import classification
from edge.bare_app import ADDRESSES, CORS, HEADS, METRICS, REQUEST_IDS, make_bare_app
from edge.connections import EVENTS_PATH
from edge.cookies import ClickCookie
from edge.documents import add_documents
from edge.forwarding import forward_with_client
from edge.front import Front
from edge.health import Health
from edge.ingestion.acceptance import Ingestion
from edge.ingestion.callers import Callers
from edge.ingestion.door import INGESTION, EventDoor, answer_events
from edge.ingestion.origins import Origins
from edge.ingestion.recorder import EventRecorder
from edge.limits import USUAL_LIMITS, Limits
from edge.link_resolver import LinkResolver
from edge.lookup import FRESH_SECONDS, LinkLookup
from edge.loop_lag import watch_loop
from edge.metrics import MetricsServer
from edge.read_only import read_only
from edge.recording import ClickRecorder
from edge.redirects import Redirects
from edge.rest.gateway import EVERY_PATH, USUAL_DEADLINE, Gateway
from edge.settings import Settings
from edge.storage import KEYS, PRESSURE, REDIS, SETTINGS, SPOOL, hold_redis, hold_spool, watch_streams
from edge.translation import (
    GATEWAY,
    HEALTH,
    answer_healthz,
    answer_readyz,
    channel_state,
    translate,
)
from edge.visitors import VisitorHashes
from millrace.affiliate.v1 import affiliate_service_pb2
from millrace.analytics.v1 import analytics_service_pb2
from millrace.catalog.v1 import catalog_service_pb2
from millrace.channel import open_channel
from millrace.jobs.v1 import jobs_service_pb2
from millrace.media.v1 import media_service_pb2
from millrace.rpc.v1 import deadline_pb2
from millrace.streams.event_writer import EventWriter
from millrace.streams.keys import StreamKeys
from millrace.streams.link_cache import LinkCache, MissCache
from millrace.streams.rate_limit import RateLimit
from millrace.streams.redis_clock import RedisClock
from millrace.streams.tracking_cookie import CookieSigner

SERVICES = (
    affiliate_service_pb2.DESCRIPTOR.services_by_name["AffiliateService"],
    analytics_service_pb2.DESCRIPTOR.services_by_name["AnalyticsService"],
    catalog_service_pb2.DESCRIPTOR.services_by_name["CatalogService"],
    jobs_service_pb2.DESCRIPTOR.services_by_name["JobsService"],
    media_service_pb2.DESCRIPTOR.services_by_name["MediaService"],
)

LIMITS = web.AppKey("limits", Limits)
CHANNEL = web.AppKey("channel", grpc.aio.Channel)
CLOCK = web.AppKey("clock", RedisClock)
HASHES = web.AppKey("hashes", VisitorHashes)
REDIRECTS = web.AppKey("redirects", Redirects)
EVENT_DOOR = web.AppKey("event_door", EventDoor)


def make_app(settings: Settings, limits: Limits = USUAL_LIMITS) -> web.Application:
    """Build the application; its resources open when its runner is set up."""
    app = make_bare_app(trusted_proxies=settings.trusted_proxies, cors_origins=settings.cors_origins)
    app[SETTINGS] = settings
    app[LIMITS] = limits
    app[KEYS] = StreamKeys(settings.redis_prefix, settings.stream_shards)
    app[CLOCK] = RedisClock()
    app[HASHES] = VisitorHashes(settings.visitor_secret.get_secret_value().encode())
    app.cleanup_ctx.extend(
        [
            serve_metrics,
            hold_redis,
            hold_spool,
            watch_streams,
            hold_channel,
            make_redirects,
            make_ingestion,
            make_health,
            watch_loop,
        ]
    )
    app.router.add_route("*", "/healthz", read_only(answer_healthz))
    app.router.add_route("*", "/readyz", read_only(answer_readyz))
    app.router.add_route("*", EVENTS_PATH, answer_events)
    add_documents(app, describe_interface)
    app.router.add_route("*", EVERY_PATH, translate)
    return app


def describe_interface() -> bytes:
    """Make the OpenAPI document: a third of a second's work, and most edges are never asked for it."""
    from edge.openapi.millrace import millrace_document_bytes  # noqa: PLC0415 - a quarter of the start's time

    return millrace_document_bytes()


def make_front(app: web.Application, inner: web.Server) -> Front:
    """Put the redirect and the door for events in front of a started application."""
    return Front(
        inner,
        app[REDIRECTS].answer,
        heads=app[HEADS],
        request_ids=app[REQUEST_IDS],
        addresses=app[ADDRESSES],
        metrics=app[METRICS],
        max_connections_per_address=app[SETTINGS].max_connections_per_address,
        take_events=app[EVENT_DOOR].answer,
        limits=app[LIMITS],
    )


async def serve_metrics(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    if not settings.metrics_port:
        yield
        return
    with MetricsServer(app[METRICS], settings.metrics_host, settings.metrics_port):
        yield


async def hold_channel(app: web.Application) -> AsyncIterator[None]:
    heads = app[HEADS]
    async with open_channel(app[SETTINGS].grpc_target, SERVICES) as channel:
        app[CHANNEL] = channel
        app[GATEWAY] = Gateway(
            SERVICES,
            channel,
            deadline_of=declared_deadline,
            forward_metadata=forward_with_client(app[ADDRESSES]),
            is_stopping=lambda: heads.closing,
        )
        yield


def declared_deadline(method: MethodDescriptor) -> float:
    """Seconds that the contract gives a method, or the usual where it says nothing."""
    declared = method.GetOptions().Extensions[deadline_pb2.deadline]
    return declared.ToTimedelta().total_seconds() or USUAL_DEADLINE(method)


async def make_redirects(app: web.Application) -> AsyncIterator[None]:
    settings, metrics, keys, clock = app[SETTINGS], app[METRICS], app[KEYS], app[CLOCK]
    cache = LinkCache(settings.link_cache_entries, ttl=FRESH_SECONDS)
    token = settings.edge_token.get_secret_value() if settings.edge_token else None
    resolver = LinkResolver(app[CHANNEL], token)
    app[REDIRECTS] = Redirects(
        lookup=LinkLookup(
            cache=cache,
            misses=MissCache(ttl=FRESH_SECONDS),
            redis=app[REDIS],
            keys=keys,
            resolve_link=resolver,
            metrics=metrics,
        ),
        recorder=ClickRecorder(
            redis=app[REDIS],
            keys=keys,
            hashes=app[HASHES],
            clock=clock,
            spool=app[SPOOL],
            metrics=metrics,
        ),
        cookie=ClickCookie(
            CookieSigner(settings.cookie_signing_keys()),
            secure=settings.cookie_secure,
            domain=settings.cookie_domain,
        ),
        addresses=app[ADDRESSES],
        heads=app[HEADS],
        request_ids=app[REQUEST_IDS],
        metrics=metrics,
    )
    metrics.gauge("links_cached", "Links in memory, fresh or stale", lambda: len(cache))
    metrics.gauge("server_breaker_open", "1 while links are not asked for", lambda: resolver.pausing)
    metrics.gauge(
        "redis_clock_offset_seconds", "Correction of our clock by Redis's", lambda: clock.offset_seconds
    )
    classification.warm_up()
    yield


async def make_ingestion(app: web.Application) -> AsyncIterator[None]:
    settings, metrics, redis, keys = app[SETTINGS], app[METRICS], app[REDIS], app[KEYS]
    app[INGESTION] = ingestion = Ingestion(
        origins=Origins(settings.country_header),
        callers=Callers(
            addresses=app[ADDRESSES],
            hashes=app[HASHES],
            clock=app[CLOCK],
            limit=RateLimit(redis, keys, settings.event_rate),
        ),
        recorder=EventRecorder(
            writer=EventWriter(redis, keys, app[CLOCK]), spool=app[SPOOL], metrics=metrics
        ),
        pressure=app[PRESSURE],
        metrics=metrics,
    )
    app[EVENT_DOOR] = EventDoor(
        ingestion, heads=app[HEADS], request_ids=app[REQUEST_IDS], cors=app[CORS], metrics=metrics
    )
    yield


async def make_health(app: web.Application) -> AsyncIterator[None]:
    redis, channel = app[REDIS], app[CHANNEL]

    async def redis_state() -> str:
        await redis.execute("PING")
        return "up"

    heads, pressure, spool = app[HEADS], app[PRESSURE], app[SPOOL]
    app[HEALTH] = Health(
        {"redis": redis_state, "server": lambda: channel_state(channel)},
        is_stopping=lambda: heads.closing,
        conditions={"streams": lambda: "full" if pressure.high else "up"},
        notes={"spool": lambda: spool.state},
    )
    yield
