"""One edge process from first to last."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from edge.app import make_app, make_front
from edge.bare_app import METRICS
from edge.lifetime import FAREWELL_SECONDS, FINISH_SECONDS, open_door, until_stopped
from edge.limits import USUAL_LIMITS, Limits
from edge.settings import Settings
from edge.sockets import listening_socket

log = structlog.get_logger()


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then stop gracefully."""
    await until_stopped(serving(settings))


@asynccontextmanager
async def serving(
    settings: Settings,
    *,
    limits: Limits = USUAL_LIMITS,
    farewell_seconds: float = FAREWELL_SECONDS,
    finish_seconds: float = FINISH_SECONDS,
) -> AsyncIterator[str]:
    """Serve while the context lasts; yields `host:port`."""
    listening = listening_socket(
        inherited_fd=settings.edge_fd, host=settings.edge_host, port=settings.edge_port
    )
    app = make_app(settings, limits)
    async with open_door(
        app,
        make_front,
        listening,
        shared=settings.edge_fd is not None,
        farewell_seconds=farewell_seconds,
        finish_seconds=finish_seconds,
    ) as address:
        yield address
    # The counters end with the process; what they say of lost clicks should not.
    log.info("edge_drained", clicks_unrecorded=dict(app[METRICS].clicks_unrecorded))
