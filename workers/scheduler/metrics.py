"""What the scheduler measures. Serving the numbers is for `monitoring`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from server.jobs.firing import Fired
from server.jobs.queues import QUEUES
from server.jobs.relay import Relayed


class SchedulerMetrics:
    """The scheduler's Prometheus metrics. A standby shows no queue, so sums over schedulers hold."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"millrace_{name}", text, labels, registry=registry)

        self.acting = Gauge(
            "millrace_scheduler_acting", "1 while this scheduler acts, 0 on standby.", registry=registry
        )
        self.open = Gauge("millrace_jobs_open", "Open jobs.", ("queue", "state"), registry=registry)
        self.dead = Gauge(
            "millrace_jobs_dead", "DEAD jobs that nobody retried or pruned.", ("queue",), registry=registry
        )
        self.paused = Gauge(
            "millrace_queue_paused", "1 while a queue is paused.", ("queue",), registry=registry
        )
        self.oldest_ready = Gauge(
            "millrace_jobs_oldest_ready_seconds",
            "For how long the oldest job that could start has been due.",
            ("queue",),
            registry=registry,
        )
        self.promoted = counter("jobs_promoted_total", "Jobs that became READY when they were due.", "queue")
        self.expired = counter("jobs_expired_total", "Runs whose worker stopped renewing its lease.", "queue")
        self.poisoned = counter("jobs_poisoned_total", "Jobs DEAD since workers died with them.", "queue")
        self.fired = counter("schedule_fired_total", "Runs of schedules enqueued.", "schedule")
        self.skipped = counter("schedule_skipped_total", "Due times missed and skipped.", "schedule")
        self.unfired = counter("schedule_failures_total", "Tries to fire a schedule that failed.", "schedule")
        self.failures = counter("scheduler_failures_total", "Ticks that PostgreSQL failed.")
        # Shown from the start: of a counter that appears with its first event, nobody sees it grow.
        for queue in QUEUES:
            for metric in (self.promoted, self.expired, self.poisoned):
                metric.labels(queue)

    def count_relayed(self, relayed: Relayed) -> None:
        """Add what one relay did."""
        for metric, jobs_by_queue in (
            (self.promoted, relayed.promoted),
            (self.expired, relayed.expired),
            (self.poisoned, relayed.dead),
        ):
            for queue, jobs in jobs_by_queue.items():
                metric.labels(queue).inc(jobs)

    def count_fired(self, fired: Fired) -> None:
        """Add what one round of the schedules came to."""
        for metric, runs_by_schedule in (
            (self.fired, fired.fired),
            (self.skipped, fired.skipped),
            (self.unfired, fired.failed),
        ):
            for schedule, runs in runs_by_schedule.items():
                metric.labels(schedule).inc(runs)
