"""`compose-env` writes secrets once, keeps them, and renews only what has to be renewed."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from click.testing import CliRunner, Result
from dotenv import dotenv_values
from pydantic import SecretStr

from server.auth.keys import parse_signing_keys
from server.auth.principal import Role
from server.auth.tokens import TokenMinter, TokenVerifier
from server.container.compose_env import EDGE_TOKEN, main


def run(file: Path, *options: str) -> Result:
    return CliRunner().invoke(main, [str(file), *options])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A fresh `.env`."""
    file = tmp_path / ".env"
    assert run(file).exit_code == 0
    return file


def test_only_the_owner_reads_it(file: Path) -> None:
    """Whoever else is on the machine does not see the secrets."""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_two_files_share_no_secret(file: Path, tmp_path: Path) -> None:
    """Secrets are made, not shipped."""
    run(tmp_path / "other")
    mine, other = dotenv_values(file), dotenv_values(tmp_path / "other")
    assert {name for name in mine if mine[name] == other[name]} == {
        "MILLRACE_PUBLIC_URL",
        "MILLRACE_COOKIE_SECURE",
    }


def test_no_secret_is_shown(tmp_path: Path) -> None:
    """The output goes to terminals and logs."""
    said = run(tmp_path / ".env").output
    assert not [value for value in dotenv_values(tmp_path / ".env").values() if value and value in said]


def test_repeating_it_changes_nothing(file: Path) -> None:
    """Not a byte: the passwords are those that the volumes were made with."""
    before = file.read_bytes()
    assert run(file).exit_code == 0
    assert file.read_bytes() == before


def test_the_servers_keys_verify_the_edges_token(file: Path) -> None:
    """It is a service's, good for a year."""
    values = dotenv_values(file)
    principal = verifier(values["MILLRACE_JWT_SECRETS"] or "").verify(values[EDGE_TOKEN] or "")
    assert principal.role is Role.SERVICE
    left = expiry(values[EDGE_TOKEN]) - datetime.now(UTC)
    assert timedelta(days=364) < left <= timedelta(days=365)


def test_what_others_wrote_stays(tmp_path: Path) -> None:
    """Own lines, comments and values are kept; only what is missing is added."""
    file = tmp_path / ".env"
    file.write_text("# ours\nMILLRACE_LOG_LEVEL=debug\nPOSTGRES_PASSWORD=chosen\nREDIS_PASSWORD=\n")
    assert run(file).exit_code == 0
    values = dotenv_values(file)
    assert file.read_text().startswith("# ours\nMILLRACE_LOG_LEVEL=debug\nPOSTGRES_PASSWORD=chosen\n")
    assert values["REDIS_PASSWORD"]


def test_a_token_of_a_dropped_key_is_renewed(file: Path) -> None:
    """After the signing keys were changed, the edge would be refused otherwise."""
    keys = dotenv_values(file)["MILLRACE_JWT_SECRETS"] or ""
    file.write_text(file.read_text().replace(keys, "k2:another-secret-of-more-than-32-characters"))
    assert "MILLRACE_EDGE_TOKEN: changed" in run(file).output
    values = dotenv_values(file)
    assert verifier("k2:another-secret-of-more-than-32-characters").verify(values[EDGE_TOKEN] or "")


@pytest.mark.parametrize(("days", "renewed"), [(-1, True), (179, True), (181, False)])
def test_a_token_near_its_end_is_renewed(file: Path, days: int, renewed: bool) -> None:
    """Half a year before."""
    values = dotenv_values(file)
    keys = parse_signing_keys(SecretStr(values["MILLRACE_JWT_SECRETS"] or ""))
    minter = TokenMinter(keys, issuer="millrace", audience="millrace")
    old = minter.mint("edge", Role.SERVICE, ttl=timedelta(days=max(days, 1))).token
    if days < 0:
        secret = keys[0].secret.get_secret_value()
        claims = jwt.decode(old, options={"verify_signature": False})
        claims["exp"] = datetime.now(UTC) - timedelta(days=1)
        old = jwt.encode(claims, secret, algorithm="HS256", headers={"kid": keys[0].kid})
    file.write_text(file.read_text().replace(values[EDGE_TOKEN] or "", old))
    run(file)
    assert (dotenv_values(file)[EDGE_TOKEN] != old) is renewed


@pytest.mark.parametrize(
    ("url", "secure"), [("https://go.shop.example/", "true"), ("http://127.0.0.1:9000", "false")]
)
def test_the_public_address_decides_on_secure_cookies(file: Path, url: str, secure: str) -> None:
    """Browsers return a Secure cookie over TLS alone."""
    assert run(file, "--public-url", url).exit_code == 0
    values = dotenv_values(file)
    assert (values["MILLRACE_PUBLIC_URL"], values["MILLRACE_COOKIE_SECURE"]) == (url.rstrip("/"), secure)


@pytest.mark.parametrize(
    "url", ["go.shop.example", "HTTP://go.shop.example", "https://", "https://a b", "ftp://a"]
)
def test_what_is_no_address_is_refused(file: Path, url: str) -> None:
    """Every short link would begin with it; the file stays as it was."""
    before = file.read_text()
    refused = run(file, "--public-url", url)
    assert refused.exit_code == 2
    assert "--public-url" in refused.output
    assert file.read_text() == before


def test_keys_that_cannot_be_read_are_said(file: Path) -> None:
    """By the variable's name, without the value, and the file stays as it was."""
    file.write_text("MILLRACE_JWT_SECRETS=not-a-pair-of-anything\n")
    refused = run(file)
    assert refused.exit_code == 1
    assert "MILLRACE_JWT_SECRETS" in refused.output
    assert "not-a-pair" not in refused.output
    assert file.read_text() == "MILLRACE_JWT_SECRETS=not-a-pair-of-anything\n"


def verifier(secrets: str) -> TokenVerifier:
    return TokenVerifier(parse_signing_keys(SecretStr(secrets)), issuer="millrace", audience="millrace")


def expiry(token: str | None) -> datetime:
    claims = jwt.decode(token or "", options={"verify_signature": False})
    return datetime.fromtimestamp(claims["exp"], UTC)
