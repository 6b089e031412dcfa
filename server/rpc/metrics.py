"""Prometheus figures: rate, errors and duration of RPCs, lag of the loop. Each process serves its own."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

_LAG_PERIOD_SECONDS = 0.5
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class RpcMetrics:
    """The RED figures by method; durations are in seconds."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.finished = Counter(
            "millrace_rpc_finished",
            "RPCs answered, by method and code.",
            ("method", "code"),
            registry=registry,
        )
        self.seconds = Histogram(
            "millrace_rpc_seconds",
            "Time from the request's arrival to its answer.",
            ("method",),
            buckets=_BUCKETS,
            registry=registry,
        )
        self.running = Gauge("millrace_rpc_running", "RPCs being served now.", ("method",), registry=registry)
        self.loop_lag = Gauge(
            "millrace_loop_lag_seconds", "By how much the event loop last woke up late.", registry=registry
        )

    async def watch_loop(self) -> NoReturn:
        """Measure until cancelled how late the loop is: what a call waits before anybody looks at it."""
        loop = asyncio.get_running_loop()
        while True:
            due_at = loop.time() + _LAG_PERIOD_SECONDS
            await asyncio.sleep(_LAG_PERIOD_SECONDS)
            self.loop_lag.set(max(0.0, loop.time() - due_at))
