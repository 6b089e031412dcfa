"""What tokens are signed and verified with, read from the environment by every process that does so."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import SecretStr, model_validator
from pydantic_settings import BaseSettings

from server.auth.keys import SigningKey, parse_signing_keys
from server.environment import FROM_ENVIRONMENT, env_file

_DEVELOPMENT_JWT_SECRETS = "development:development-jwt-secret-that-everybody-knows"
_SECRET_MIN_LENGTH = 32


class Mode(StrEnum):
    """Development accepts the well-known secrets; every other mode refuses to start with them."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"


class TokenSettings(BaseSettings):
    """`MILLRACE_*` variables, or lines of the file that `MILLRACE_ENV_FILE` names; variables win."""

    model_config = FROM_ENVIRONMENT

    mode: Mode = Mode.PRODUCTION
    jwt_secrets: SecretStr = SecretStr(_DEVELOPMENT_JWT_SECRETS)
    jwt_public_keys: Path | None = None
    jwt_issuer: str = "millrace"
    jwt_audience: str = "millrace"

    @model_validator(mode="after")
    def _secrets_fit_the_mode(self) -> Self:
        keys = self.signing_keys()
        if self.mode is Mode.DEVELOPMENT:
            return self
        for key in keys:
            secret = key.secret.get_secret_value()
            if secret.startswith("development"):
                raise ValueError("MILLRACE_JWT_SECRETS: set a secret of your own, the default is public")
            if len(secret) < _SECRET_MIN_LENGTH:
                raise ValueError(f"MILLRACE_JWT_SECRETS: a secret needs {_SECRET_MIN_LENGTH} characters")
        return self

    def signing_keys(self) -> tuple[SigningKey, ...]:
        """The HS256 keys: the first signs, all verify. Raises ValueError when the list is malformed."""
        return parse_signing_keys(self.jwt_secrets)


def load_token_settings() -> TokenSettings:
    """Read the environment. Raises pydantic's ValidationError, which names each wrong variable."""
    # pydantic-settings reads the underscored argument; its types only know the fields.
    return TokenSettings(_env_file=env_file())  # type: ignore[call-arg]
