"""Tokens: what is accepted, and everything that is not."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr

from server.auth.keys import load_public_keys, parse_signing_keys
from server.auth.principal import Principal, Role
from server.auth.tokens import TokenMinter, TokenVerifier
from server.errors import Unauthenticated

SECRET = "the-secret-of-these-tests-long-enough-for-sha-384"
OLD_SECRET = "the-secret-before-that-long-enough-too"
KEYS = parse_signing_keys(SecretStr(f"new:{SECRET},old:{OLD_SECRET}"))
MINTER = TokenMinter(KEYS, issuer="millrace", audience="millrace")
SUBJECT = TokenVerifier(KEYS, issuer="millrace", audience="millrace")
PARTNER = "0199e6f0-7c2a-7d5e-8b1c-2f3a4b5c6d7e"


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims of an admin, with changes; None takes a claim out."""
    good = {
        "sub": "somebody",
        "role": "admin",
        "iss": "millrace",
        "aud": "millrace",
        "exp": datetime.now(UTC) + timedelta(minutes=5),
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def signed(payload: dict[str, Any], *, kid: str | None = "new", key: str = SECRET, alg: str = "HS256") -> str:
    return jwt.encode(payload, key, algorithm=alg, headers={"kid": kid} if kid else None)


@pytest.mark.parametrize(
    ("role", "partner_id"), [(Role.ADMIN, None), (Role.SERVICE, None), (Role.PARTNER, PARTNER)]
)
def test_a_minted_token_is_accepted(role: Role, partner_id: str | None) -> None:
    """The verifier reads from a minted token exactly who it was minted for."""
    minted = MINTER.mint("somebody", role, ttl=timedelta(minutes=1), partner_id=partner_id)
    assert SUBJECT.verify(minted.token) == Principal("somebody", role, partner_id)
    assert timedelta(seconds=55) < minted.expires_at - datetime.now(UTC) <= timedelta(seconds=60)


def test_an_older_key_still_verifies() -> None:
    """After a rotation the tokens of the key before are still good."""
    assert SUBJECT.verify(signed(claims(), kid="old", key=OLD_SECRET)).role is Role.ADMIN


BAD_TOKENS = {
    "empty": "",
    "no token": "abc",
    "three empty parts": "..",
    "expired": signed(claims(exp=datetime.now(UTC) - timedelta(minutes=1))),
    "without expiry": signed(claims(exp=None)),
    "with an endless expiry": signed(claims(exp="never")),
    "with an infinite expiry": signed(claims(exp=float("inf"))),
    "not yet valid": signed(claims(nbf=datetime.now(UTC) + timedelta(hours=1))),
    "of another issuer": signed(claims(iss="somebody else")),
    "for another audience": signed(claims(aud="somebody else")),
    "without audience": signed(claims(aud=None)),
    "without issuer": signed(claims(iss=None)),
    "without subject": signed(claims(sub=None)),
    "with an empty subject": signed(claims(sub="")),
    "with an endless subject": signed(claims(sub="x" * 201)),
    "without role": signed(claims(role=None)),
    "with an unknown role": signed(claims(role="root")),
    "with a role that is no text": signed(claims(role=["admin"])),
    "a partner without partner id": signed(claims(role="partner")),
    "a partner whose id is no UUID": signed(claims(role="partner", partner_id="1")),
    "a partner whose id is in capitals": signed(claims(role="partner", partner_id=PARTNER.upper())),
    "an admin with a partner id": signed(claims(partner_id=PARTNER)),
    "without key id": signed(claims(), kid=None),
    "under an unknown key id": signed(claims(), kid="other"),
    "signed with another secret": signed(claims(), key="a secret that we never heard of, long"),
    "signed with the other key's secret": signed(claims(), kid="new", key=OLD_SECRET),
    "under another algorithm": signed(claims(), alg="HS384"),
    "unsigned": jwt.encode(claims(), "", algorithm="none", headers={"kid": "new"}),
}


@pytest.mark.parametrize("token", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_a_bad_token_is_refused(token: str) -> None:
    """Every defect ends in the same refusal, which does not say what was wrong."""
    with pytest.raises(Unauthenticated) as refused:
        SUBJECT.verify(token)
    assert refused.value.message == "Send a valid bearer token."


def test_a_changed_payload_is_refused() -> None:
    """Nobody becomes an admin by editing."""
    header, payload, signature = signed(claims(role="service")).split(".")
    edited = json.loads(base64.urlsafe_b64decode(payload + "=="))
    edited["role"] = "admin"
    payload = base64.urlsafe_b64encode(json.dumps(edited).encode()).rstrip(b"=").decode()
    with pytest.raises(Unauthenticated):
        SUBJECT.verify(f"{header}.{payload}.{signature}")


@pytest.mark.parametrize(
    ("role", "partner_id", "ttl"),
    [(Role.PARTNER, None, 60), (Role.ADMIN, PARTNER, 60), (Role.PARTNER, "1", 60), (Role.ADMIN, None, 0)],
)
def test_what_would_be_refused_is_not_minted(role: Role, partner_id: str | None, ttl: int) -> None:
    """The minter holds to the verifier's rules."""
    with pytest.raises(ValueError, match=r"partner|time to live|UUID"):
        MINTER.mint("somebody", role, ttl=timedelta(seconds=ttl), partner_id=partner_id)


class TestPublicKeys:
    """Tokens that somebody else signs with Ed25519."""

    @pytest.fixture
    def private_key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.generate()

    @pytest.fixture
    def jwks(self, private_key: Ed25519PrivateKey, tmp_path: Path) -> Path:
        raw = private_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        path = tmp_path / "jwks.json"
        path.write_text(json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": x}]}))
        return path

    @pytest.fixture
    def subject(self, jwks: Path) -> TokenVerifier:
        return TokenVerifier(KEYS, issuer="millrace", audience="millrace", public_keys=load_public_keys(jwks))

    def test_a_token_of_theirs_is_accepted(
        self, subject: TokenVerifier, private_key: Ed25519PrivateKey
    ) -> None:
        """EdDSA under a key of the configured set proves a principal."""
        token = jwt.encode(claims(), private_key, algorithm="EdDSA", headers={"kid": "ed"})
        assert subject.verify(token).subject == "somebody"

    def test_a_public_key_is_no_secret(self, subject: TokenVerifier, jwks: Path) -> None:
        """Signing with the public key's bytes as an HMAC secret proves nothing."""
        public = base64.urlsafe_b64decode(json.loads(jwks.read_text())["keys"][0]["x"] + "=")
        forged = jwt.encode(claims(), public, algorithm="HS256", headers={"kid": "ed"})
        with pytest.raises(Unauthenticated):
            subject.verify(forged)

    def test_a_private_key_in_the_file_is_refused(self, jwks: Path) -> None:
        """The file is for public keys."""
        content = json.loads(jwks.read_text())
        content["keys"][0]["d"] = content["keys"][0]["x"]
        jwks.write_text(json.dumps(content))
        with pytest.raises(ValueError, match="private"):
            load_public_keys(jwks)


@pytest.mark.parametrize("listed", ["", "secret", "kid:", ":secret", "a:b,a:c"])
def test_a_malformed_key_list_is_refused_without_quoting_it(listed: str) -> None:
    """The message says which entry is wrong, and shows no secret."""
    with pytest.raises(ValueError, match="signing key") as refused:
        parse_signing_keys(SecretStr(listed))
    assert "secret" not in str(refused.value).replace("kid:secret", "")
