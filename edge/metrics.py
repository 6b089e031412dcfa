"""Counts what the edge does, cheaply enough for every request, and shows it to Prometheus.

Plain integers are bumped on the hot path and turned into metric families only when somebody scrapes.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from types import TracebackType
from typing import Self

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

BUCKETS_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class RouteMeter:
    """Rate, errors and duration of one route. Belongs to one event loop: bumps take no lock."""

    __slots__ = ("_buckets", "_seconds", "route", "statuses")

    def __init__(self, route: str) -> None:
        self.route = route
        self.statuses: Counter[int] = Counter()
        self._buckets = [0] * (len(BUCKETS_SECONDS) + 1)
        self._seconds = 0.0

    def observe(self, status: int, seconds: float) -> None:
        """Count one answered request."""
        self.statuses[status] += 1
        self._buckets[bisect_left(BUCKETS_SECONDS, seconds)] += 1
        self._seconds += seconds

    def histogram(self) -> tuple[list[tuple[str, float]], float]:
        """Return the cumulative buckets by upper bound, and the sum of seconds."""
        bounds = [*map(str, BUCKETS_SECONDS), "+Inf"]
        return list(zip(bounds, map(float, accumulate(self._buckets)), strict=True)), self._seconds


class EdgeMetrics(Collector):
    """Everything that the edge counts. One per process, owned by the application."""

    def __init__(self) -> None:
        self._meters: dict[str, RouteMeter] = {}
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        # By verdict: human, unique (humans again) and bot.
        self.clicks_recorded: Counter[str] = Counter()
        # By why Redis did not acknowledge them: timeout, unavailable, refused, clock. They are on disk.
        self.clicks_spooled: Counter[str] = Counter()
        # By why the spool did not keep them either: full, unavailable, slow. What Redis or the disk was only
        # slow to acknowledge may be recorded all the same: this is an upper bound of the loss.
        self.clicks_unrecorded: Counter[str] = Counter()
        # Calls of clicks and events alike, by what became of them: spooled, replayed and refused; full and
        # unavailable for those turned away; and torn, for the stretches of segments that were damaged.
        self.spool_calls: Counter[str] = Counter()
        # By where the link was found: cache, snapshot, server, stale, missing, unavailable.
        self.link_lookups: Counter[str] = Counter()
        # Connections cut and requests refused before anybody looked at what was asked for: by reason.
        self.refused: Counter[str] = Counter()
        # By verdict: human, bot and duplicate. In Redis or, while it is away, in the spool.
        self.events_recorded: Counter[str] = Counter()
        # By reason: events that broke a rule.
        self.events_rejected: Counter[str] = Counter()
        # Whole requests with events that were turned away, by reason: malformed, rate, streams, spool.
        self.ingestion_refused: Counter[str] = Counter()
        self.events_spooled = 0
        self.unforeseen_errors = 0

    def route(self, name: str) -> RouteMeter:
        """Return the meter of a route; the name must come from us, never from a request."""
        meter = self._meters.get(name)
        if meter is None:
            meter = self._meters[name] = RouteMeter(name)
        return meter

    def gauge(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        """Show a value that is read at each scrape."""
        self._gauges[name] = (help_text, read)

    def collect(self) -> Iterator[Metric]:
        yield from self._routes()
        yield _counter("clicks_recorded", "Clicks that Redis acknowledged", "verdict", self.clicks_recorded)
        yield _counter(
            "clicks_unrecorded",
            "Clicks redirected that neither Redis nor the spool acknowledged",
            "reason",
            self.clicks_unrecorded,
        )
        yield _counter("clicks_spooled", "Clicks kept on disk for Redis", "reason", self.clicks_spooled)
        yield _counter("spool_calls", "Calls given to the spool", "outcome", self.spool_calls)
        yield _counter(
            "link_lookups", "Links looked up, by where they were found", "source", self.link_lookups
        )
        yield _counter("refused", "Connections cut and requests refused at the door", "reason", self.refused)
        yield _counter("events_recorded", "Events that are durable", "verdict", self.events_recorded)
        yield _counter("events_rejected", "Events that broke a rule", "reason", self.events_rejected)
        yield _counter(
            "ingestion_refused",
            "Requests with events turned away as a whole",
            "reason",
            self.ingestion_refused,
        )
        yield CounterMetricFamily(
            "millrace_edge_events_spooled",
            "Events kept in the spool instead of Redis",
            value=self.events_spooled,
        )
        unforeseen = Counter({"handler": self.unforeseen_errors})
        yield _counter("unforeseen_errors", "Requests that met a bug", "where", unforeseen)
        for name, (help_text, read) in self._gauges.items():
            yield GaugeMetricFamily(f"millrace_edge_{name}", help_text, value=read())

    def _routes(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "millrace_edge_requests", "Requests answered", labels=("route", "status")
        )
        seconds = HistogramMetricFamily(
            "millrace_edge_request_seconds", "Time from the request's head to its answer", labels=("route",)
        )
        for meter in list(self._meters.values()):
            for status, count in list(meter.statuses.items()):
                requests.add_metric((meter.route, str(status)), count)
            buckets, total = meter.histogram()
            seconds.add_metric((meter.route,), buckets, total)
        yield requests
        yield seconds


class MetricsServer:
    """Answers `/metrics` on a port of its own, in a thread: a busy loop can still be watched."""

    def __init__(self, metrics: EdgeMetrics, host: str, port: int) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(metrics)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._server, self._thread = start_http_server(port, addr=host, registry=self._registry)

    @property
    def port(self) -> int:
        return self._server.server_port

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _counter(name: str, help_text: str, label: str, counts: Counter[str]) -> Metric:
    family = CounterMetricFamily(f"millrace_edge_{name}", help_text, labels=(label,))
    values: Iterable[tuple[str, int]] = list(counts.items())
    for value, count in values:
        family.add_metric((value,), count)
    return family
