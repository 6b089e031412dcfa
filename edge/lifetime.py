"""Opens the door of a process to clients, and closes it without failing a request."""

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import structlog
from aiohttp import web

from edge.bare_app import HEADS
from edge.front import Front
from edge.sockets import BACKLOG, waiting_connections

log = structlog.get_logger()

# Clients hear "close" on their answers for this long, and open their next connection elsewhere.
FAREWELL_SECONDS: Final = 1.0
# How long a request under way may take from then on: what the slowest method is given, and a moment.
FINISH_SECONDS: Final = 32.0

LOOK_EVERY_SECONDS: Final = 0.02

MakeFront = Callable[[web.Application, web.Server], Front]


async def until_stopped(door: AbstractAsyncContextManager[str]) -> None:
    """Hold the door open until SIGTERM or SIGINT. A second signal does not hurry the stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with door as address:
        log.info("edge_started", address=address)
        await stop.wait()
        log.info("edge_stopping")
    log.info("edge_stopped")


@asynccontextmanager
async def open_door(
    app: web.Application,
    make_front: MakeFront,
    listening: socket.socket,
    *,
    shared: bool = False,
    farewell_seconds: float = FAREWELL_SECONDS,
    finish_seconds: float = FINISH_SECONDS,
) -> AsyncIterator[str]:
    """Serve an application made by `make_bare_app` while the context lasts; yields `host:port`.

    Leaving it takes the process out of service in the order that fails nobody: not ready, no new connections,
    `Connection: close` on answers, unfinished requests, then the rest. Closes the socket; nobody else takes
    the connections that wait at it, unless it is `shared`.
    """
    host, port = listening.getsockname()[:2]
    application = web.AppRunner(app, access_log=None)
    try:
        await application.setup()
        if application.server is None:
            raise RuntimeError("the application's runner has no server after its set-up")
        front = make_front(app, application.server)
        runner = web.ServerRunner(front)
        await runner.setup()
        site = web.SockSite(runner, listening, backlog=BACKLOG)
        await site.start()
        # Everything made so far lives as long as the process: the collector need never look at it again.
        gc.collect()
        gc.freeze()
        try:
            yield f"{host}:{port}"
        finally:
            app[HEADS].closing = True
            waiting = [] if shared else waiting_connections(listening)
            await site.stop()
            for connection in waiting:
                await asyncio.get_running_loop().connect_accepted_socket(front, connection)
            await asyncio.sleep(farewell_seconds)
            await _finish(front, finish_seconds)
            await runner.cleanup()
    finally:
        await application.cleanup()


async def _finish(front: Front, seconds: float) -> None:
    """Wait until nobody waits for an answer, then close what is idle; cut off who waits longer than that.

    Connections that a client keeps without using them stay open till then: it may be just about to use one.
    """
    loop = asyncio.get_running_loop()
    end_at = loop.time() + seconds
    while front.is_busy and loop.time() < end_at:  # noqa: ASYNC110 - aiohttp tells nobody that it is done
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    front.pre_shutdown()
    await front.shutdown(max(LOOK_EVERY_SECONDS, end_at - loop.time()))
