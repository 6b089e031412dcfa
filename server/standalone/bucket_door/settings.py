"""What the bucket's door reads from its environment beside where the bucket is."""

from __future__ import annotations

import sys
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field

from server.environment import CommaList, load_or_exit
from server.media.settings import MediaSettings


def _as_browsers_write(origins: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(origin.rstrip("/") for origin in origins)


class DoorSettings(MediaSettings):
    """`MILLRACE_*` variables, or lines of the file that `MILLRACE_ENV_FILE` names; variables win.

    `s3_upload_origins`: whose pages may upload with a presigned URL, as browsers write them, or `*`.
    """

    s3_endpoint: str = Field(pattern=r"^https?://[^/?#\s]+/?$")
    bucket_door_host: str = "127.0.0.1"
    s3_door_port: int = Field(default=9000, ge=0, le=65_535)
    media_port: int = Field(default=9001, ge=0, le=65_535)
    s3_upload_origins: Annotated[CommaList, AfterValidator(_as_browsers_write)] = ("*",)

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = Field(
        default_factory=lambda: "console" if sys.stdout.isatty() else "json"
    )

    @classmethod
    def load(cls) -> Self:
        """Read the environment. Exits with a line for each wrong variable, and without any value."""
        return load_or_exit(cls)
