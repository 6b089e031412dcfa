"""Prometheus figures of RPCs: rate, errors, duration. Where they are served is the process's decision."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

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
