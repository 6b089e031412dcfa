"""How our processes read settings from the environment, and what they say of a wrong one."""

from __future__ import annotations

import os
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "MILLRACE_"

S = TypeVar("S", bound=BaseSettings)


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


# Words with commas between them; none at all is an empty list.
CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]

# An empty variable is an unset one. A refused start must not print the secrets that it was refused for.
FROM_ENVIRONMENT = SettingsConfigDict(
    env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
)


def env_file() -> str | None:
    """The file that settings are read from beside the environment."""
    return os.environ.get(f"{PREFIX}ENV_FILE")


def load_or_exit(settings: type[S]) -> S:
    """Read the environment. Exits with a line for each wrong variable, and without any value."""
    options: dict[str, Any] = {"_env_file": env_file()}
    try:
        return settings(**options)
    except ValidationError as error:
        raise SystemExit(complaints(error)) from None


def complaints(error: ValidationError) -> str:
    """A line for each wrong setting, by its variable's name and without any value."""
    return "\n".join(_complaint(wrong) for wrong in error.errors())


def _complaint(wrong: ErrorDetails) -> str:
    message = wrong["msg"].removeprefix("Value error, ")
    return f"{PREFIX}{str(wrong['loc'][0]).upper()}: {message}" if wrong["loc"] else message
