"""What the edge process reads from its environment, once. Nothing else in the edge reads the environment."""

import os
import re
import sys
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_DEVELOPMENT_COOKIE_KEYS = "dev:development-cookie-secret-that-everybody-knows"
_DEVELOPMENT_VISITOR_SECRET = "development-visitor-secret-that-everybody-knows"  # noqa: S105
_SECRET_MIN_LENGTH = 32
_PREFIX = "MILLRACE_"
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?")


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _networks(value: object) -> object:
    parts = _split(value)
    if isinstance(parts, tuple):
        return tuple(ip_network(part, strict=False) if isinstance(part, str) else part for part in parts)
    return value


Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)]


def _origins(value: object) -> object:
    parts = _split(value)
    for part in parts if isinstance(parts, tuple) else ():
        if part != "*" and not _ORIGIN.fullmatch(str(part)):
            raise ValueError("write origins as browsers do, `https://shop.example`, in lower case; or `*`")
    return parts


Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_origins)]


class Settings(BaseSettings):
    """`MILLRACE_*` variables, or lines of the file that `MILLRACE_ENV_FILE` names; variables win."""

    # An empty variable is an unset one. A refused start must not print the secrets it was refused for.
    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    mode: Literal["production", "development"] = "production"

    edge_host: str = "127.0.0.1"
    edge_port: int = Field(default=8080, ge=0, le=65_535)
    # A listening socket inherited from the supervisor, shared by every edge; replaces host and port.
    edge_fd: int | None = Field(default=None, ge=0)
    public_url: str = "http://127.0.0.1:8080"
    trusted_proxies: Networks = ()
    max_connections_per_address: int = Field(default=4096, ge=1)
    # A header in which a trusted proxy, such as a CDN, writes its client's country as ISO 3166-1 alpha-2.
    country_header: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]{1,64}$")
    # Whose scripts may read /api/: exact origins, or `*` for everyone's, which then send no credentials.
    cors_origins: Origins = ()

    redis_url: SecretStr
    redis_prefix: str = Field(default="mr", pattern=r"^[A-Za-z0-9_.-]{1,32}$")
    stream_shards: int = Field(default=1, ge=1, le=100)
    redis_timeout_seconds: float = Field(default=0.040, gt=0, le=5)

    # Events a second that one address may send, over all edges; 0 for any number.
    event_rate: int = Field(default=5000, ge=0, le=1_000_000)
    # Above either, events are turned away: entries of all streams together, and age of the oldest in seconds.
    stream_max_entries: int = Field(default=1_000_000, ge=1)
    stream_max_age_seconds: float = Field(default=3600, gt=0)

    # Where clicks and events wait on disk while Redis is away; by default `spool` in the state folder.
    state_dir: Path = Path(".millrace")
    spool_dir: Path | None = None
    spool_max_bytes: int = Field(default=256 << 20, ge=1 << 20)

    grpc_target: str = "127.0.0.1:50051"
    # The service JWT of the edge's own calls, such as ResolveLink.
    edge_token: SecretStr | None = None

    cookie_keys: SecretStr = SecretStr(_DEVELOPMENT_COOKIE_KEYS)
    cookie_secure: bool = True
    cookie_domain: str | None = Field(default=None, pattern=r"^\.?[A-Za-z0-9.-]{1,253}$")
    visitor_secret: SecretStr = SecretStr(_DEVELOPMENT_VISITOR_SECRET)

    link_cache_entries: int = Field(default=1_000_000, ge=1)

    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=0, ge=0, le=65_535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = Field(
        default_factory=lambda: "console" if sys.stdout.isatty() else "json"
    )

    @model_validator(mode="after")
    def _secrets_fit_the_mode(self) -> Self:
        keys = self.cookie_signing_keys()
        if self.mode == "development":
            return self
        for _, secret in keys:
            _require_own_secret("MILLRACE_COOKIE_KEYS", secret)
        _require_own_secret("MILLRACE_VISITOR_SECRET", self.visitor_secret.get_secret_value())
        if self.edge_token is None:
            raise ValueError("MILLRACE_EDGE_TOKEN: give the edge a service token, it resolves links with it")
        return self

    @property
    def spool_folder(self) -> Path:
        return self.spool_dir or self.state_dir / "spool"

    def cookie_signing_keys(self) -> tuple[tuple[str, str], ...]:
        """The (key id, secret) pairs: the first signs, all verify. Raises ValueError when malformed."""
        pairs = []
        for item in self.cookie_keys.get_secret_value().split(","):
            key_id, colon, secret = item.strip().partition(":")
            if not (key_id and colon and secret):
                raise ValueError("MILLRACE_COOKIE_KEYS: write a comma list of `key-id:secret`")
            pairs.append((key_id, secret))
        return tuple(pairs)


def load_settings() -> Settings:
    """Read the environment. Exits with a line for each wrong variable, and without any value."""
    try:
        return Settings(_env_file=os.environ.get("MILLRACE_ENV_FILE"))  # type: ignore[call-arg]
    except ValidationError as error:
        raise SystemExit("\n".join(_complaint(wrong) for wrong in error.errors())) from None


def _complaint(wrong: ErrorDetails) -> str:
    message = wrong["msg"].removeprefix("Value error, ")
    return f"{_PREFIX}{str(wrong['loc'][0]).upper()}: {message}" if wrong["loc"] else message


def _require_own_secret(variable: str, secret: str) -> None:
    if secret.startswith("development"):
        raise ValueError(f"{variable}: set a secret of your own, this one is public")
    if len(secret) < _SECRET_MIN_LENGTH:
        raise ValueError(f"{variable}: a secret needs {_SECRET_MIN_LENGTH} characters or more")
