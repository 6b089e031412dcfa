"""What the backfill reads from its environment, once."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from server.environment import FROM_ENVIRONMENT, load_or_exit


class BackfillSettings(BaseSettings):
    """`MILLRACE_*` variables, or lines of the file that `MILLRACE_ENV_FILE` names; variables win.

    Without `redis_url` the live counters stay as they are, until the hourly job restates them.
    """

    model_config = FROM_ENVIRONMENT

    postgres_dsn: SecretStr
    redis_url: SecretStr | None = None
    redis_prefix: str = Field(default="mr", pattern=r"^[A-Za-z0-9_.-]{1,32}$")
    stream_shards: int = Field(default=1, ge=1, le=100)


def load_settings() -> BackfillSettings:
    """Read the environment. Exits with a line for each wrong variable, and without any value."""
    return load_or_exit(BackfillSettings)
