"""What the bucket's door reads from its environment beside where the bucket is."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import NoDecode

from server.environment import complaints, env_file
from server.media.settings import MediaSettings


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
    return value


class DoorSettings(MediaSettings):
    """`MILLRACE_*` variables, or lines of the file that `MILLRACE_ENV_FILE` names; variables win.

    `s3_upload_origins`: whose pages may upload with a presigned URL, as browsers write them, or `*`.
    """

    s3_endpoint: str = Field(pattern=r"^https?://[^/?#\s]+/?$")
    bucket_door_host: str = "127.0.0.1"
    s3_door_port: int = Field(default=9000, ge=0, le=65_535)
    media_port: int = Field(default=9001, ge=0, le=65_535)
    s3_upload_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = ("*",)

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = Field(
        default_factory=lambda: "console" if sys.stdout.isatty() else "json"
    )

    @classmethod
    def load(cls) -> Self:
        """Read the environment. Exits with a line for each wrong variable, and without any value."""
        options: dict[str, Any] = {"_env_file": env_file()}
        try:
            return cls(**options)
        except ValidationError as error:
            raise SystemExit(complaints(error)) from None
