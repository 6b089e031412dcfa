"""The keys that tokens are signed and verified with. What a token says lives in `tokens`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jwt
from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One HS256 key under its key id."""

    kid: str
    secret: SecretStr


def parse_signing_keys(listed: SecretStr) -> tuple[SigningKey, ...]:
    """Read `kid:secret,kid:secret`. Raises ValueError, which never quotes a secret."""
    keys: list[SigningKey] = []
    for number, entry in enumerate(filter(None, listed.get_secret_value().split(",")), start=1):
        kid, colon, secret = entry.strip().partition(":")
        if not (kid and colon and secret):
            raise ValueError(f"signing key {number} is not written as kid:secret")
        if any(key.kid == kid for key in keys):
            raise ValueError(f"signing key {number} repeats the key id {kid!r}")
        keys.append(SigningKey(kid=kid, secret=SecretStr(secret)))
    if not keys:
        raise ValueError("no signing key is configured; write at least one as kid:secret")
    return tuple(keys)


def load_public_keys(path: Path) -> Mapping[str, jwt.PyJWK]:
    """The Ed25519 keys of a JWKS file by key id. Raises ValueError when one is of another kind."""
    keys: dict[str, jwt.PyJWK] = {}
    for entry in json.loads(path.read_text(encoding="utf-8"))["keys"]:
        kid = entry.get("kid")
        if entry.get("kty") != "OKP" or entry.get("crv") != "Ed25519" or not kid:
            raise ValueError(f"{path}: every key must be an Ed25519 one (kty OKP) with a kid")
        if "d" in entry:
            raise ValueError(f"{path}: key {kid!r} is a private key; this file is for public ones")
        keys[kid] = jwt.PyJWK(entry, algorithm="EdDSA")
    return keys
