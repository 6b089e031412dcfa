"""Where pictures are kept and what is made of them, read by every process that touches them."""

from __future__ import annotations

from typing import Annotated, Any, Self

import msgspec
from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode

from server.environment import FROM_ENVIRONMENT
from server.media.recipes import DEFAULT_SETS, Recipe, VariantSets


def _read_sets(value: object) -> object:
    return parse_sets(value) if isinstance(value, str) else value


class MediaSettings(BaseSettings):
    """`MILLRACE_*` variables. Without an endpoint it is Amazon's own S3; without keys, its usual credentials.

    `s3_upload_endpoint`: where browsers reach the store, when that is another address than ours.
    `media_public_url`: the base under which everybody may read objects by their key, such as a CDN's.
    """

    model_config = FROM_ENVIRONMENT

    s3_endpoint: str | None = Field(default=None, pattern=r"^https?://[^/?#\s]+/?$")
    s3_upload_endpoint: str | None = Field(default=None, pattern=r"^https?://[^/?#\s]+/?$")
    s3_region: str = "us-east-1"
    s3_bucket: str = Field(default="media", pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    s3_access_key: str | None = None
    s3_secret_key: SecretStr | None = None
    media_public_url: str | None = Field(default=None, pattern=r"^https?://[^?#\s]+$")
    # A JSON object: entity type to a list of recipes. Sets that it does not name stay as they are.
    media_variant_sets: Annotated[Any, NoDecode, BeforeValidator(_read_sets)] = None
    # What decoding one picture may take; see `workers.confined`.
    media_decode_memory_mib: int = Field(default=1024, ge=128, le=65_536)
    media_decode_cpu_seconds: int = Field(default=30, ge=1, le=600)

    @model_validator(mode="after")
    def _keys_go_together(self) -> Self:
        if (self.s3_access_key is None) != (self.s3_secret_key is None):
            raise ValueError("MILLRACE_S3_ACCESS_KEY and MILLRACE_S3_SECRET_KEY go together")
        return self

    @property
    def variant_sets(self) -> VariantSets:
        """Ours, with those of the setting over them."""
        return {**DEFAULT_SETS, **(self.media_variant_sets or {})}


def parse_sets(text: str) -> VariantSets:
    """Reads the setting; raises ValueError that names the place of what is wrong."""
    try:
        return msgspec.json.decode(text, type=dict[str, tuple[Recipe, ...]])
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error
