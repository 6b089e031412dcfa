"""Runs the edge from first to last: start, warm up, serve, and stop without a failed request."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from edge.app import HEADS, HEALTH, METRICS, make_app, make_front
from edge.settings import Settings
from edge.sockets import BACKLOG, listening_socket

log = structlog.get_logger()

# Clients hear "close" on their answers for this long, and open their next connection elsewhere.
FAREWELL_SECONDS = 1.0
FINISH_SECONDS = 10.0


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then stop gracefully; a second signal is not needed and ignored."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(settings) as address:
        log.info("edge_started", address=address)
        await stop.wait()
        log.info("edge_stopping")
    log.info("edge_stopped")


@asynccontextmanager
async def serving(settings: Settings, *, farewell_seconds: float = FAREWELL_SECONDS) -> AsyncIterator[str]:
    """Serve while the context lasts; yields `host:port`.

    Leaving it takes the edge out of service in the order that fails nobody: not ready, no new connections,
    `Connection: close` on answers, unfinished requests, then the rest.
    """
    listening = listening_socket(
        inherited_fd=settings.edge_fd, host=settings.edge_host, port=settings.edge_port
    )
    host, port = listening.getsockname()[:2]
    app = make_app(settings)
    application = web.AppRunner(app, access_log=None)
    try:
        await application.setup()
        inner = application.server
        if inner is None:
            raise RuntimeError("the application's runner has no server after its set-up")
        front = web.ServerRunner(make_front(app, inner), shutdown_timeout=FINISH_SECONDS)
        await front.setup()
        site = web.SockSite(front, listening, backlog=BACKLOG)
        await site.start()
        # Everything made so far lives as long as the process: the collector need never look at it again.
        gc.collect()
        gc.freeze()
        try:
            yield f"{host}:{port}"
        finally:
            app[HEALTH].stopping = True
            await site.stop()
            app[HEADS].closing = True
            await asyncio.sleep(farewell_seconds)
            await front.cleanup()
            # The counters end with the process; what they say of lost clicks should not.
            log.info("edge_drained", clicks_unrecorded=dict(app[METRICS].clicks_unrecorded))
    finally:
        await application.cleanup()
