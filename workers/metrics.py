"""What a worker measures of its jobs. Serving the numbers is for `monitoring`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from server.jobs.execution import ClaimedJob

_WAIT_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_RUN_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900)


class WorkerMetrics:
    """A worker's Prometheus metrics; queues' depths are the scheduler's to tell."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.finished = Counter(
            "millrace_job_runs",
            "Runs that ended, by outcome: done, failed, dead, cancelled, postponed, parked, released, lost.",
            ("queue", "task", "outcome"),
            registry=registry,
        )
        self.parked = Counter(
            "millrace_jobs_parked",
            "Jobs put back because this worker does not know their task or payload version.",
            ("queue", "task"),
            registry=registry,
        )
        self.duplicates = Counter(
            "millrace_job_duplicate_runs",
            "Runs of jobs that were running before when a lease expired: their handlers must bear it.",
            ("queue", "task"),
            registry=registry,
        )
        self.running = Gauge("millrace_jobs_running", "Jobs being run.", ("queue",), registry=registry)
        self.wait_seconds = Histogram(
            "millrace_job_wait_seconds",
            "Time from when a job was due to its start, by PostgreSQL's clock.",
            ("queue",),
            buckets=_WAIT_SECONDS,
            registry=registry,
        )
        self.run_seconds = Histogram(
            "millrace_job_run_seconds",
            "Time that handlers took.",
            ("queue", "task"),
            buckets=_RUN_SECONDS,
            registry=registry,
        )

    def count_start(self, job: ClaimedJob) -> None:
        """A claimed job is about to run."""
        self.running.labels(job.queue).inc()
        self.wait_seconds.labels(job.queue).observe(max(0.0, (job.started_at - job.run_at).total_seconds()))
        if job.expiries:
            self.duplicates.labels(job.queue, job.task).inc()

    def count_end(self, job: ClaimedJob, outcome: str) -> None:
        """Its run came to this."""
        self.finished.labels(job.queue, job.task, outcome).inc()
        if outcome == "parked":
            self.parked.labels(job.queue, job.task).inc()
