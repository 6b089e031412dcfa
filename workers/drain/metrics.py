"""What the drain measures of itself. Serving the numbers is for `monitoring`."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from workers.drain.dead_letters import DeadLetter
from workers.drain.writer import Written

_BATCH_ROWS = (1, 10, 50, 100, 500, 1_000, 2_500, 5_000)
_BATCH_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class DrainMetrics:
    """The drain's Prometheus metrics, by stream. Rows per second is the rate of `rows_total`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"millrace_drain_{name}", text, ("stream", *labels), registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"millrace_drain_{name}", text, ("stream",), registry=registry)

        self.rows = counter("rows_total", "Clicks or events that became rows.")
        self.replayed = counter("replayed_rows_total", "Clicks or events that were rows already.")
        self.dead_letters = counter(
            "dead_letters_total", "Clicks, events or whole records that can never become rows.", "reason"
        )
        self.taken_over = counter("taken_over_entries_total", "Entries claimed from silent drains.")
        self.unknown_versions = counter(
            "unknown_version_entries_total", "Reads of entries left pending for a newer drain."
        )
        self.failures = counter("failures_total", "Tries that a backing service failed.", "service")
        self.lag_entries = gauge("stream_lag_entries", "Entries not yet acknowledged.")
        self.lag_seconds = gauge("stream_lag_seconds", "Age of the oldest entry not yet acknowledged.")
        self.batch_rows = Histogram(
            "millrace_drain_batch_rows",
            "Rows in a batch.",
            ("stream",),
            buckets=_BATCH_ROWS,
            registry=registry,
        )
        self.batch_seconds = Histogram(
            "millrace_drain_batch_seconds",
            "Time from a read batch to its acknowledgement.",
            ("stream",),
            buckets=_BATCH_SECONDS,
            registry=registry,
        )

    def count_batch(
        self, stream: str, written: Written, letters: Iterable[DeadLetter], seconds: float
    ) -> None:
        """Add what one batch came to; `seconds` runs from its read to its acknowledgement."""
        self.rows.labels(stream).inc(written.inserted)
        self.replayed.labels(stream).inc(written.replayed)
        self.batch_rows.labels(stream).observe(written.inserted + written.replayed)
        self.batch_seconds.labels(stream).observe(seconds)
        for letter in letters:
            self.dead_letters.labels(stream, letter.reason.value).inc()
