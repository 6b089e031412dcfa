"""What a worker reads from its environment, once. The drain has settings of its own."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode

from server.environment import FROM_ENVIRONMENT, complaints, env_file
from server.jobs.queues import QUEUES, check_queue


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


class WorkerSettings(BaseSettings):
    """`MILLRACE_*` variables, or lines of the file that `MILLRACE_ENV_FILE` names; variables win.

    A worker signs and verifies nothing, so it has no secret to refuse.
    """

    model_config = FROM_ENVIRONMENT

    postgres_dsn: SecretStr
    # Connections for handlers; a few more are kept for claims, leases and endings.
    postgres_pool_size: int = Field(default=10, ge=1, le=200)
    redis_url: SecretStr
    redis_prefix: str = Field(default="mr", pattern=r"^[A-Za-z0-9_.-]{1,32}$")
    stream_shards: int = Field(default=1, ge=1, le=100)

    # The base of our short URLs, to which no link may lead.
    public_url: str = "http://127.0.0.1:8080"

    # The queues served; those of no worker wait.
    worker_queues: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = tuple(QUEUES)
    worker_grace_seconds: float = Field(default=20.0, ge=0, le=3600)
    job_lease_seconds: float = Field(default=30.0, ge=1, le=3600)
    job_done_days: int = Field(default=7, ge=1, le=3650)
    job_dead_days: int = Field(default=90, ge=1, le=3650)
    click_retention_days: int = Field(default=400, ge=1, le=3650)

    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=0, ge=0, le=65535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = Field(
        default_factory=lambda: "console" if sys.stdout.isatty() else "json"
    )

    @field_validator("worker_queues")
    @classmethod
    def _queues_exist(cls, queues: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_queue(queue) for queue in queues) or tuple(QUEUES)


def load_settings() -> WorkerSettings:
    """Read the environment. Exits with a line for each wrong variable, and without any value."""
    options: dict[str, Any] = {"_env_file": env_file()}
    try:
        return WorkerSettings(**options)
    except ValidationError as error:
        raise SystemExit(complaints(error)) from None
