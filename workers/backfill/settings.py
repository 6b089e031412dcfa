"""What the backfill reads from its environment, once."""

from __future__ import annotations

import os
from typing import Any

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class BackfillSettings(BaseSettings):
    """`MILLRACE_*` variables, or lines of the file that `MILLRACE_ENV_FILE` names; variables win."""

    model_config = SettingsConfigDict(env_prefix="MILLRACE_", frozen=True, extra="ignore")

    postgres_dsn: SecretStr


def load_settings() -> BackfillSettings:
    """Read the environment. Raises pydantic's ValidationError, which names each wrong variable."""
    options: dict[str, Any] = {"_env_file": os.environ.get("MILLRACE_ENV_FILE")}
    return BackfillSettings(**options)
