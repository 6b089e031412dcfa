"""What a worker reads from its environment, once."""

from __future__ import annotations

from pydantic import Field, field_validator

from server.environment import CommaList
from server.jobs.queues import QUEUES, check_queue
from server.media.settings import MediaSettings
from workers.process_settings import ProcessSettings


class WorkerSettings(MediaSettings, ProcessSettings):
    """What every such process reads, and how this one runs jobs. Days are ages after which things go."""

    # Connections for handlers; a few more are kept for claims, leases and endings.
    postgres_pool_size: int = Field(default=10, ge=1, le=200)
    stream_shards: int = Field(default=1, ge=1, le=100)

    # The base of our short URLs, to which no link may lead.
    public_url: str = "http://127.0.0.1:8080"

    # The queues served; those of no worker wait.
    worker_queues: CommaList = tuple(QUEUES)
    worker_grace_seconds: float = Field(default=20.0, ge=0, le=3600)
    job_lease_seconds: float = Field(default=30.0, ge=1, le=3600)
    job_done_days: int = Field(default=7, ge=1, le=3650)
    job_dead_days: int = Field(default=90, ge=1, le=3650)
    click_retention_days: int = Field(default=400, ge=1, le=3650)
    event_retention_days: int = Field(default=90, ge=32, le=3650)
    rollup_retention_months: int = Field(default=25, ge=1, le=600)

    @field_validator("worker_queues")
    @classmethod
    def _queues_exist(cls, queues: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_queue(queue) for queue in queues) or tuple(QUEUES)
