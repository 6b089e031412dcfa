"""Minting and verifying the JWTs that callers present. Which method needs which role lives in `access`."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from server.auth.keys import SigningKey
from server.auth.principal import Principal, Role
from server.errors import Unauthenticated

_ALGORITHMS = ("HS256", "EdDSA")
_SUBJECT_MAX = 200
# Two hosts' clocks differ; without this a token minted on one is "not yet valid" on the other.
_CLOCK_SKEW = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A token, and the instant at which it stops being accepted."""

    token: str
    expires_at: datetime


class TokenMinter:
    """Signs tokens with the first of `keys`."""

    def __init__(self, keys: Sequence[SigningKey], *, issuer: str, audience: str) -> None:
        self._key = keys[0]
        self._issuer = issuer
        self._audience = audience

    def mint(self, subject: str, role: Role, *, ttl: timedelta, partner_id: str | None = None) -> MintedToken:
        """Sign a token for `subject`. Raises ValueError unless exactly the partner role names a partner."""
        _check_identity(subject, role, partner_id)
        if ttl <= timedelta(0):
            raise ValueError("a token's time to live must be positive")
        now = datetime.now(UTC).replace(microsecond=0)
        claims: dict[str, Any] = {
            "sub": subject,
            "role": role.value,
            "iss": self._issuer,
            "aud": self._audience,
            "iat": now,
            "exp": now + ttl,
            "jti": uuid.uuid4().hex,
        }
        if partner_id is not None:
            claims["partner_id"] = partner_id
        secret = self._key.secret.get_secret_value()
        token = jwt.encode(claims, secret, algorithm="HS256", headers={"kid": self._key.kid})
        return MintedToken(token=token, expires_at=now + ttl)


class TokenVerifier:
    """Turns a bearer token into a Principal. Keys come from our own set only, chosen by `kid`."""

    def __init__(
        self,
        keys: Sequence[SigningKey],
        *,
        issuer: str,
        audience: str,
        public_keys: Mapping[str, jwt.PyJWK] | None = None,
    ) -> None:
        self._keys: dict[str, jwt.PyJWK] = dict(public_keys or {})
        for key in keys:
            if key.kid in self._keys:
                raise ValueError(f"the key id {key.kid!r} names both a secret and a public key")
            self._keys[key.kid] = _symmetric(key)
        self._issuer = issuer
        self._audience = audience

    def verify(self, token: str) -> Principal:
        """The principal that a token proves. Raises Unauthenticated, the same for every defect."""
        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(
                token,
                key,
                # The key decides, so a public key can never be taken for an HMAC secret.
                algorithms=[name for name in _ALGORITHMS if name == key.algorithm_name],
                issuer=self._issuer,
                audience=self._audience,
                leeway=_CLOCK_SKEW,
                options={"require": ["exp", "iss", "aud", "sub", "role"]},
            )
            return _principal_of(claims)
        except (jwt.PyJWTError, LookupError, TypeError, ValueError, OverflowError, RecursionError):
            # The cause is cut off on purpose: what is wrong with a token is of use only to a forger.
            raise Unauthenticated("Send a valid bearer token.", reason="CREDENTIAL_INVALID") from None


def _symmetric(key: SigningKey) -> jwt.PyJWK:
    secret = jwt.utils.base64url_encode(key.secret.get_secret_value().encode()).decode()
    return jwt.PyJWK({"kty": "oct", "k": secret}, algorithm="HS256")


def _principal_of(claims: Mapping[str, Any]) -> Principal:
    role = Role(claims["role"])
    _check_identity(claims["sub"], role, claims.get("partner_id"))
    return Principal(subject=claims["sub"], role=role, partner_id=claims.get("partner_id"))


def _check_identity(subject: object, role: Role, partner_id: object) -> None:
    if not isinstance(subject, str) or not 1 <= len(subject) <= _SUBJECT_MAX:
        raise ValueError(f"a subject has 1 to {_SUBJECT_MAX} characters")
    if role is not Role.PARTNER:
        if partner_id is not None:
            raise ValueError("only the partner role carries a partner id")
        return
    if not isinstance(partner_id, str) or str(uuid.UUID(partner_id)) != partner_id:
        raise ValueError("the partner role needs a partner id, a UUID in lower case")
