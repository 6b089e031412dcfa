"""What every process of the workers reads from its environment; each adds its own."""

from __future__ import annotations

import sys
from typing import Literal, Self

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from server.environment import FROM_ENVIRONMENT, load_or_exit


class ProcessSettings(BaseSettings):
    """`MILLRACE_*` variables, or lines of the file that `MILLRACE_ENV_FILE` names; variables win.

    These processes sign and verify nothing, so they have no secret to refuse.
    """

    model_config = FROM_ENVIRONMENT

    postgres_dsn: SecretStr
    redis_url: SecretStr
    redis_prefix: str = Field(default="mr", pattern=r"^[A-Za-z0-9_.-]{1,32}$")

    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=0, ge=0, le=65535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = Field(
        default_factory=lambda: "console" if sys.stdout.isatty() else "json"
    )

    @classmethod
    def load(cls) -> Self:
        """Read the environment. Exits with a line for each wrong variable, and without any value."""
        return load_or_exit(cls)
