"""What the server process reads from its environment, once. Other processes have settings of their own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, model_validator

from server.auth.settings import Mode, TokenSettings
from server.environment import CommaList, env_file
from server.media.settings import MediaSettings

__all__ = ["Mode", "Settings", "load_settings"]


class Settings(MediaSettings, TokenSettings):
    """`MILLRACE_*` variables, or lines of the file that `MILLRACE_ENV_FILE` names; variables win."""

    postgres_dsn: SecretStr
    postgres_pool_size: int = Field(default=10, ge=1, le=200)
    redis_url: SecretStr
    redis_prefix: str = Field(default="mr", pattern=r"^[A-Za-z0-9_.-]{1,32}$")
    stream_shards: int = Field(default=1, ge=1, le=100)
    # Beyond these no events are taken over gRPC, until the drain has caught up.
    stream_max_entries: int = Field(default=1_000_000, ge=1)
    stream_max_age_seconds: float = Field(default=3_600, gt=0)

    grpc_listen: str = "127.0.0.1:50051"
    services: CommaList = ()
    reflection: bool = False
    default_deadline_seconds: float = Field(default=30.0, gt=0, le=600)
    grpc_tls_cert: Path | None = None
    grpc_tls_key: Path | None = None
    grpc_tls_client_ca: Path | None = None

    public_url: str = "http://127.0.0.1:8080"
    # Whether admins get tokens for partners from an RPC. Unset: in development only.
    token_minting: bool | None = None

    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=0, ge=0, le=65535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = Field(
        default_factory=lambda: "console" if sys.stdout.isatty() else "json"
    )

    @property
    def mints_tokens(self) -> bool:
        if self.token_minting is None:
            return self.mode is Mode.DEVELOPMENT
        return self.token_minting

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.grpc_tls_cert is None) != (self.grpc_tls_key is None):
            raise ValueError("MILLRACE_GRPC_TLS_CERT and MILLRACE_GRPC_TLS_KEY go together")
        if self.grpc_tls_client_ca is not None and self.grpc_tls_cert is None:
            raise ValueError("MILLRACE_GRPC_TLS_CLIENT_CA needs MILLRACE_GRPC_TLS_CERT as well")
        return self


def load_settings(**overrides: Any) -> Settings:
    """Read the environment; arguments win over it. Raises ValidationError naming each wrong variable."""
    # pydantic-settings reads the underscored argument; its types only know the fields.
    return Settings(_env_file=env_file(), **overrides)  # type: ignore[call-arg]
