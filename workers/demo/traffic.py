"""Visitors one after the other at a given rate, until the time is over or somebody says stop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

import aiohttp

from workers.demo.stack import Scene
from workers.demo.tally import Tally
from workers.demo.visit import Visit

# At any moment. An edge that answers late gets no more visitors instead of ever more.
MOST_VISITORS: Final = 2_000
NEWS_SECONDS: Final = 10.0


async def play_traffic(
    session: aiohttp.ClientSession,
    scene: Scene,
    *,
    rate: float,
    stopping: asyncio.Event,
    say: Callable[[str], None],
) -> Tally:
    """Start `rate` visits a second until `stopping` is set; returns once every request has its answer."""
    tally = Tally()
    started_at = time.monotonic()
    visits: set[asyncio.Task[None]] = set()
    news = asyncio.create_task(_tell(tally, started_at, say))
    try:
        while not stopping.is_set():
            due = (time.monotonic() - started_at) * rate
            while tally.visits + 1 <= due and len(visits) < MOST_VISITORS:
                visit = asyncio.create_task(Visit(session, scene, tally, stopping).play())
                visits.add(visit)
                visit.add_done_callback(visits.discard)
                tally.visits += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), min(0.05, 1 / rate))
        await asyncio.gather(*visits)
    finally:
        news.cancel()
    say(tally.line(time.monotonic() - started_at))
    return tally


async def _tell(tally: Tally, started_at: float, say: Callable[[str], None]) -> None:
    while True:
        await asyncio.sleep(NEWS_SECONDS)
        say(tally.line(time.monotonic() - started_at))
