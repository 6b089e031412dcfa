"""`compose-env FILE`: writes the variables that `docker-compose.yml` asks for, with secrets of their own.

What the variables do is in docs/settings.md; those without `MILLRACE_` are the compose file's alone.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import jwt
from dotenv import dotenv_values
from pydantic import SecretStr

from server.auth.keys import parse_signing_keys
from server.auth.principal import Role
from server.auth.settings import TokenSettings
from server.auth.tokens import TokenMinter, TokenVerifier
from server.errors import Unauthenticated
from server.standalone.private_files import write_private

EDGE_TOKEN = "MILLRACE_EDGE_TOKEN"  # noqa: S105 - a variable's name
TOKEN_LIFE = timedelta(days=365)
RENEWED_BEFORE = timedelta(days=180)

# Letters, digits, `-` and `_`: nothing that compose, a URL or a shell reads as more than itself.
GENERATED: Mapping[str, Callable[[], str]] = {
    "MILLRACE_JWT_SECRETS": lambda: f"k1:{secrets.token_urlsafe(32)}",
    "MILLRACE_COOKIE_KEYS": lambda: f"k1:{secrets.token_urlsafe(32)}",
    "MILLRACE_VISITOR_SECRET": lambda: secrets.token_urlsafe(32),
    "POSTGRES_PASSWORD": lambda: secrets.token_hex(24),
    "REDIS_PASSWORD": lambda: secrets.token_hex(24),
    "S3_ACCESS_KEY": lambda: secrets.token_hex(10),
    "S3_SECRET_KEY": lambda: secrets.token_hex(20),
    "ELASTIC_PASSWORD": lambda: secrets.token_hex(24),
}
# Of characters that mean nothing to compose.
_ADDRESS = re.compile(r"https?://[\w.:\[\]-]+(?:/[\w./~-]*)?", re.ASCII)
HEAD = """\
# Read by docker-compose.yml. Whoever has these secrets has Millrace: keep this file out of version control,
# and in your backups. The first start of a volume fixes the passwords of PostgreSQL and Elasticsearch.
"""


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--public-url", help="The address that shoppers know. Default: kept, or http://127.0.0.1:8080.")
def main(file: Path, public_url: str | None) -> None:
    """Write FILE, or bring it up to date.

    Every line that is there stays, save that the edge's token is renewed when the keys have changed or less
    than half a year is left of it; what is missing is added. Repeating it is harmless.
    """
    old = file.read_text(encoding="utf-8") if file.exists() else ""
    present = dotenv_values(file, interpolate=False)
    wanted = missing_variables(present, public_url)
    text = with_variables(old or HEAD, wanted)
    if text != old:
        write_private(file, text)
    for name in wanted:
        click.echo(f"{name}: {'changed' if name in present else 'added'}")
    expires_at = _expiry(dotenv_values(file, interpolate=False)[EDGE_TOKEN] or "")
    click.echo(f"The edge's token is good until {expires_at:%Y-%m-%d}; run this again before then.")


def missing_variables(present: Mapping[str, str | None], public_url: str | None) -> dict[str, str]:
    """What has to be written beside `present`: the variables without a value, and the token if need be.

    Raises click.ClickException when the signing keys that are there cannot be read.
    """
    wanted = {name: make() for name, make in GENERATED.items() if not present.get(name)}
    if public_url or not present.get("MILLRACE_PUBLIC_URL"):
        wanted |= public_address(public_url or "http://127.0.0.1:8080")
    known = {**present, **wanted}
    token = fresh_edge_token(known["MILLRACE_JWT_SECRETS"] or "", known.get(EDGE_TOKEN) or "")
    return wanted | ({EDGE_TOKEN: token} if token else {})


def public_address(url: str) -> dict[str, str]:
    """The variables that go with a public address: browsers send a Secure cookie back over TLS alone.

    Raises click.BadParameter for what is no such address.
    """
    if not _ADDRESS.fullmatch(url):
        raise click.BadParameter("write it like https://go.shop.example", param_hint="--public-url")
    secure = "false" if url.startswith("http://") else "true"
    return {"MILLRACE_PUBLIC_URL": url.rstrip("/"), "MILLRACE_COOKIE_SECURE": secure}


def fresh_edge_token(signing_secrets: str, token: str) -> str | None:
    """A new service token for the edge; None while the present one is accepted and far from its end."""
    try:
        keys = parse_signing_keys(SecretStr(signing_secrets))
    except ValueError as error:
        raise click.ClickException(f"MILLRACE_JWT_SECRETS: {error}") from error
    issuer, audience = (TokenSettings.model_fields[name].default for name in ("jwt_issuer", "jwt_audience"))
    try:
        TokenVerifier(keys, issuer=issuer, audience=audience).verify(token)
        if _expiry(token) - datetime.now(UTC) > RENEWED_BEFORE:
            return None
    except Unauthenticated:
        pass  # there was none, it has ended, or the key that signed it is gone
    minter = TokenMinter(keys, issuer=issuer, audience=audience)
    return minter.mint("edge", Role.SERVICE, ttl=TOKEN_LIFE).token


def with_variables(text: str, wanted: Mapping[str, str]) -> str:
    """The lines of `text` without those that set what is wanted, and behind them what is wanted."""
    kept = [line for line in text.splitlines() if line.partition("=")[0].strip() not in wanted]
    return "\n".join([*kept, *(f"{name}={value}" for name, value in wanted.items())]) + "\n"


def _expiry(token: str) -> datetime:
    claims = jwt.decode(token, options={"verify_signature": False})
    return datetime.fromtimestamp(claims["exp"], UTC)


if __name__ == "__main__":
    main()
