"""The composition root of the tool: the translator of any contract behind the edge's own door."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from edge.bare_app import ADDRESSES, HEADS, METRICS, REQUEST_IDS, make_bare_app
from edge.front import Front
from edge.gateway.descriptor_sets import Contract
from edge.gateway.documents import add_contract_documents
from edge.gateway.forwarding import forward_also
from edge.gateway.listing import spelled
from edge.gateway.options import Options
from edge.gateway.own_paths import free_paths
from edge.gateway.refusals import cannot_listen
from edge.gateway.upstream import upstream_channel
from edge.health import Health
from edge.lifetime import FINISH_SECONDS, open_door
from edge.metrics import MetricsServer
from edge.read_only import read_only
from edge.rest.gateway import EVERY_PATH, Gateway, unary_within
from edge.translation import (
    GATEWAY,
    HEALTH,
    answer_healthz,
    answer_readyz,
    channel_state,
    translate,
)

log = structlog.get_logger()

MAX_CONNECTIONS_PER_ADDRESS = 4096

OPTIONS = web.AppKey("options", Options)
CONTRACT = web.AppKey("contract", Contract)


@asynccontextmanager
async def serving(options: Options, contract: Contract, listening: socket.socket) -> AsyncIterator[str]:
    """Serve the contract while the context lasts; yields `host:port`. Closes the socket.

    Raises `StartRefused` when the metrics port cannot be used.
    """
    rules = contract.routes.rules()
    for route in rules:
        log.debug("route_served", path=spelled(route), rpc=route.rpc.full_name)
    app = make_app(options, contract)
    finish_seconds = max(FINISH_SECONDS, options.deadline + 2)
    async with open_door(app, make_front, listening, finish_seconds=finish_seconds) as address:
        log.info(
            "contract_served",
            upstream=options.upstream,
            services=contract.service_names,
            routes=len(rules),
        )
        yield address


def make_app(options: Options, contract: Contract) -> web.Application:
    """Build the application; the channel opens when its runner is set up."""
    app = make_bare_app(trusted_proxies=options.trusted_proxies)
    app[OPTIONS] = options
    app[CONTRACT] = contract
    app.cleanup_ctx.extend([serve_metrics, hold_upstream])
    own_paths = {"/healthz": answer_healthz, "/readyz": answer_readyz}
    for path in free_paths(own_paths, contract.routes):
        app.router.add_route("*", path, read_only(own_paths[path]))
    if options.has_documents:
        add_contract_documents(app, contract)
    app.router.add_route("*", EVERY_PATH, translate)
    return app


def make_front(app: web.Application, inner: web.Server) -> Front:
    """Put the edge's manners before a started application; it has no path faster than the others."""
    return Front(
        inner,
        None,
        heads=app[HEADS],
        request_ids=app[REQUEST_IDS],
        addresses=app[ADDRESSES],
        metrics=app[METRICS],
        max_connections_per_address=MAX_CONNECTIONS_PER_ADDRESS,
    )


async def serve_metrics(app: web.Application) -> AsyncIterator[None]:
    options = app[OPTIONS]
    if not options.metrics_port:
        yield
        return
    try:
        server = MetricsServer(app[METRICS], options.metrics_host, options.metrics_port)
    except OSError as error:
        raise cannot_listen(options.metrics_host, options.metrics_port, error) from error
    with server:
        yield


async def hold_upstream(app: web.Application) -> AsyncIterator[None]:
    options, services = app[OPTIONS], app[CONTRACT].services
    heads = app[HEADS]

    def is_stopping() -> bool:
        return heads.closing

    async with upstream_channel(options, services) as channel:
        app[GATEWAY] = Gateway(
            services,
            channel,
            deadline_of=unary_within(options.deadline),
            forward_metadata=forward_also(options.forwarded_headers, app[ADDRESSES]),
            is_stopping=is_stopping,
        )
        app[HEALTH] = Health({"upstream": lambda: channel_state(channel)}, is_stopping=is_stopping)
        yield
