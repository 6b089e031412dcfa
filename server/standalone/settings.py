"""What the supervisor reads from its environment. Our own processes read theirs with their own settings.

Plain standard library on purpose: the supervisor's imports are part of every start's waiting time.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PREFIX = "MILLRACE_"
PORT_NAMES = ("edge", "grpc", "postgres", "redis", "s3", "s3_door", "media", "smtp", "mailbox")
MOST_PORT = 65_535


class SettingsError(Exception):
    """A variable cannot be used; the message names it."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One stack's settings. An address that is given replaces the service that we would start.

    `environment` is everything that the children inherit: the process's own variables over those of the file
    that `MILLRACE_ENV_FILE` names.
    """

    environment: Mapping[str, str]
    state: Path
    edge_host: str
    edge_processes: int
    server_processes: int
    worker_processes: int
    scheduler_processes: int
    ports: Mapping[str, int]
    postgres_account: str | None
    postgres_dsn: str | None
    redis_url: str | None
    s3_endpoint: str | None
    smtp: str | None

    def given(self, name: str, default: str = "") -> str:
        """A variable by its name without the prefix."""
        return self.environment.get(PREFIX + name, default)


def load_settings(variables: Mapping[str, str] = os.environ) -> Settings:
    """Reads the variables; raises SettingsError for one that cannot be used."""
    # Empty means unset, as in a file whose lines are filled in as needed.
    given = {name: value for name, value in variables.items() if value or not name.startswith(PREFIX)}
    environment = {**_of_file(given.get(PREFIX + "ENV_FILE")), **given}

    def text(name: str) -> str | None:
        return environment.get(PREFIX + name)

    return Settings(
        environment=environment,
        state=Path(text("STATE_DIR") or PROJECT / ".millrace").absolute(),
        edge_host=text("EDGE_HOST") or "127.0.0.1",
        edge_processes=_number("EDGE_PROCESSES", text("EDGE_PROCESSES") or str(os.cpu_count() or 1), 256),
        server_processes=_number("SERVER_PROCESSES", text("SERVER_PROCESSES") or "1", 64),
        worker_processes=_number("WORKER_PROCESSES", text("WORKER_PROCESSES") or "1", 64),
        scheduler_processes=_number("SCHEDULER_PROCESSES", text("SCHEDULER_PROCESSES") or "1", 64),
        ports={
            name: _number(f"{name.upper()}_PORT", port, MOST_PORT)
            for name in PORT_NAMES
            if (port := text(f"{name.upper()}_PORT"))
        },
        postgres_account=text("POSTGRES_ACCOUNT"),
        postgres_dsn=text("POSTGRES_DSN"),
        redis_url=text("REDIS_URL"),
        s3_endpoint=text("S3_ENDPOINT"),
        smtp=text("SMTP"),
    )


def _number(name: str, text: str, most: int) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise SettingsError(f"{PREFIX}{name} must be a number from 1 to {most}, not {text!r}")
    return int(text)


def _of_file(file: str | None) -> dict[str, str]:
    if not file:
        return {}
    if not Path(file).is_file():
        raise SettingsError(f"{PREFIX}ENV_FILE names {file!r}, which is not a file")
    from dotenv import dotenv_values  # noqa: PLC0415  (only when there is such a file)

    return {name: value for name, value in dotenv_values(file).items() if value}
