"""Measures how late the event loop wakes up: what every request on it waits in addition."""

import asyncio
import time
from collections.abc import AsyncIterator

from aiohttp import web

from edge.bare_app import METRICS

LOOP_LAG_SECONDS = 0.5


async def watch_loop(app: web.Application) -> AsyncIterator[None]:
    """Show the lag as a gauge while the application runs."""
    lag = 0.0

    async def measure() -> None:
        nonlocal lag
        while True:
            due = time.monotonic() + LOOP_LAG_SECONDS
            await asyncio.sleep(LOOP_LAG_SECONDS)
            lag = max(0.0, time.monotonic() - due)

    app[METRICS].gauge("loop_lag_seconds", "How late the event loop last woke up", lambda: lag)
    watcher = asyncio.create_task(measure(), name="loop lag")
    yield
    watcher.cancel()
    await asyncio.wait([watcher])
