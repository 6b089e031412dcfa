"""The server process: which services it hosts, from start to graceful stop. `app` builds them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog
from prometheus_client import start_http_server

from millrace.affiliate.v1 import affiliate_service_pb2, affiliate_service_pb2_grpc
from millrace.analytics.v1 import analytics_service_pb2, analytics_service_pb2_grpc
from millrace.catalog.v1 import catalog_service_pb2, catalog_service_pb2_grpc
from millrace.jobs.v1 import jobs_service_pb2, jobs_service_pb2_grpc
from millrace.media.v1 import media_service_pb2, media_service_pb2_grpc
from millrace.streams.event_writer import EventWriter
from millrace.streams.pressure import StreamPressure
from millrace.streams.redis_clock import RedisClock
from server.affiliate import tasks as affiliate_tasks
from server.affiliate.assembly import build_affiliate
from server.affiliate.service.programs import ProgramService
from server.analytics import tasks as analytics_tasks
from server.analytics.assembly import build_analytics
from server.app import Services, open_services
from server.auth.access import Guard, read_access
from server.catalog.product import ProductStatus
from server.catalog.service import CatalogService
from server.catalog.servicer import CatalogServicer
from server.jobs import declared
from server.jobs.edits import DeclaredTasks
from server.jobs.service import JobsService
from server.jobs.servicer import JobsServicer
from server.media import tasks as media_tasks
from server.media.assembly import build_media
from server.media.recipes import VariantSets
from server.media.service.reading import MediaService
from server.product_images import find_images_by
from server.rpc.host import GrpcHost, HostedService, TlsFiles
from server.rpc.interceptor import RpcInterceptor
from server.rpc.metrics import RpcMetrics
from server.settings import Settings

log = structlog.get_logger(__name__)

# What every domain leaves to be done later; edited payloads of these are checked against their types.
TASKS = (*affiliate_tasks.TASKS, *analytics_tasks.TASKS, *media_tasks.TASKS, *declared.TASKS)


def all_services(
    services: Services, *, public_url: str, pressure: StreamPressure, variant_sets: VariantSets
) -> Mapping[str, HostedService]:
    """Every service that a process can host, by the name that `--services` knows it under."""
    catalog = CatalogServicer(
        services.catalog,
        page_tokens=services.page_tokens,
        contract_violations=services.rules.violations_of,
        find_images=find_images_by(MediaService(services.sessions), services.store),
    )
    affiliate = build_affiliate(
        sessions=services.sessions,
        redis=services.redis,
        keys=services.stream_keys,
        jobs=services.jobs,
        find_slug=lambda product_id: _slug_of(services.catalog, product_id),
        minter=services.minter,
        page_tokens=services.page_tokens,
        rules=services.rules,
        public_url=public_url,
    )
    programs = ProgramService(services.sessions, public_url=public_url)
    analytics = build_analytics(
        sessions=services.sessions,
        redis=services.redis,
        keys=services.stream_keys,
        writer=EventWriter(services.redis, services.stream_keys, RedisClock()),
        pressure=pressure,
        jobs=services.jobs,
        find_time_zone=lambda: _time_zone_of(programs),
        page_tokens=services.page_tokens,
    )
    jobs = JobsServicer(
        JobsService(services.sessions, jobs=services.jobs, tasks=DeclaredTasks(TASKS)),
        page_tokens=services.page_tokens,
    )
    media = build_media(
        sessions=services.sessions,
        store=services.store,
        jobs=services.jobs,
        variant_sets=variant_sets,
        page_tokens=services.page_tokens,
    )
    return {
        "affiliate": HostedService(
            affiliate_service_pb2.DESCRIPTOR.services_by_name["AffiliateService"],
            partial(affiliate_service_pb2_grpc.add_AffiliateServiceServicer_to_server, affiliate),
        ),
        "analytics": HostedService(
            analytics_service_pb2.DESCRIPTOR.services_by_name["AnalyticsService"],
            partial(analytics_service_pb2_grpc.add_AnalyticsServiceServicer_to_server, analytics),
            warm_up=analytics.warm_up,
        ),
        "catalog": HostedService(
            catalog_service_pb2.DESCRIPTOR.services_by_name["CatalogService"],
            partial(catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server, catalog),
        ),
        "jobs": HostedService(
            jobs_service_pb2.DESCRIPTOR.services_by_name["JobsService"],
            partial(jobs_service_pb2_grpc.add_JobsServiceServicer_to_server, jobs),
        ),
        "media": HostedService(
            media_service_pb2.DESCRIPTOR.services_by_name["MediaService"],
            partial(media_service_pb2_grpc.add_MediaServiceServicer_to_server, media),
            warm_up=services.store.open,
        ),
    }


async def _slug_of(catalog: CatalogService, product_id: str) -> str | None:
    """What the affiliate domain asks of the catalogue: partners learn of nothing that is not on sale."""
    facts = await catalog.find_product(product_id)
    return facts.slug if facts and facts.status is ProductStatus.ACTIVE else None


async def _time_zone_of(programs: ProgramService) -> str:
    """What analytics asks of the affiliate domain: in which zone the shop reckons its days."""
    return (await programs.read()).time_zone


class UnknownService(ValueError):  # noqa: N818 - it names what is so
    """A service is to be hosted that there is not; the text names those that there are."""


def chosen_services(known: Mapping[str, HostedService], wanted: Collection[str]) -> Sequence[HostedService]:
    """The services named, or all when none is. Raises UnknownService."""
    unknown = set(wanted) - known.keys()
    if unknown:
        raise UnknownService(
            f"no service is called {', '.join(sorted(unknown))}; there are {', '.join(known)}"
        )
    return [service for name, service in known.items() if not wanted or name in wanted]


@asynccontextmanager
async def hosted(settings: Settings, *, metrics: RpcMetrics | None = None) -> AsyncIterator[GrpcHost]:
    """A server that answers from the first line of the block on, and stops gracefully behind it.

    Raises AccessMissing before it listens when a method does not say who may call it.
    """
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(settings))
        pressure = await stack.enter_async_context(
            StreamPressure(
                services.redis,
                [*services.stream_keys.all_clicks(), *services.stream_keys.all_events()],
                settings.stream_max_entries,
                settings.stream_max_age_seconds,
            )
        )
        known = all_services(
            services,
            public_url=settings.public_url,
            pressure=pressure,
            variant_sets=settings.variant_sets,
        )
        chosen = chosen_services(known, settings.services)
        descriptors = [service.descriptor for service in chosen]
        services.rules.warm(descriptors)
        figures = metrics or RpcMetrics()
        watching = asyncio.create_task(figures.watch_loop(), name="loop lag")
        stack.callback(watching.cancel)
        warming = asyncio.create_task(_warm_up(chosen), name="warm up")
        stack.callback(warming.cancel)
        interceptor = RpcInterceptor(
            guard=Guard(read_access(descriptors), services.verifier),
            rules=services.rules,
            metrics=figures,
            default_deadline=settings.default_deadline_seconds,
        )
        host = GrpcHost(
            listen=settings.grpc_listen,
            services=chosen,
            interceptor=interceptor,
            reflect=settings.reflection,
            tls=_tls_files(settings),
        )
        yield await stack.enter_async_context(host)


async def _warm_up(services: Sequence[HostedService]) -> None:
    """Beside the start, which does not wait for it; a failure costs the first caller some time only."""
    for service in services:
        if service.warm_up is not None:
            try:
                await service.warm_up()
            except Exception as error:  # noqa: BLE001 - whatever it is, it does not keep us from serving
                log.warning("not_warmed_up", service=service.descriptor.full_name, error=type(error).__name__)


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    with _metrics_endpoint(settings):
        async with AsyncExitStack() as stack:
            opening = asyncio.create_task(stack.enter_async_context(hosted(settings)))
            # A stop may also come while PostgreSQL or Redis is still being waited for.
            waiting = asyncio.create_task(stopped.wait())
            await asyncio.wait({opening, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                await opening
                await waiting
            opening.cancel()
            log.info("stop_requested")


@contextlib.contextmanager
def _metrics_endpoint(settings: Settings) -> Iterator[None]:
    """Prometheus figures on a thread of their own, so that a busy loop does not hide how busy it is."""
    if settings.metrics_port == 0:
        yield
        return
    endpoint, thread = start_http_server(settings.metrics_port, addr=settings.metrics_host)
    try:
        yield
    finally:
        endpoint.shutdown()
        endpoint.server_close()
        thread.join(timeout=1.0)


def _tls_files(settings: Settings) -> TlsFiles | None:
    if settings.grpc_tls_cert is None or settings.grpc_tls_key is None:
        return None
    return TlsFiles(settings.grpc_tls_cert, settings.grpc_tls_key, settings.grpc_tls_client_ca)
