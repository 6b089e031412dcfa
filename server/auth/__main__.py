"""`python -m server.auth mint`: signs a token with the configured key, for development and operations."""

from __future__ import annotations

from datetime import timedelta

import click
from pydantic import ValidationError

from server.auth.principal import Role
from server.auth.settings import load_token_settings
from server.auth.tokens import TokenMinter
from server.environment import complaints


@click.group()
def main() -> None:
    """Tokens of Millrace's callers. Reads MILLRACE_JWT_SECRETS, _ISSUER and _AUDIENCE."""


@main.command()
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@click.option("--partner-id", help="The partner's id; only with the role partner.")
@click.option("--subject", help="Who the token is for. Default: the role, or the partner's id.")
@click.option("--ttl", type=click.IntRange(min=1), default=3600, show_default=True, help="In seconds.")
def mint(role: str, partner_id: str | None, subject: str | None, ttl: int) -> None:
    """Print a token to standard output."""
    try:
        settings = load_token_settings()
    except ValidationError as error:
        raise click.ClickException(complaints(error)) from None
    minter = TokenMinter(settings.signing_keys(), issuer=settings.jwt_issuer, audience=settings.jwt_audience)
    try:
        minted = minter.mint(
            subject or partner_id or role, Role(role), ttl=timedelta(seconds=ttl), partner_id=partner_id
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    click.echo(minted.token)


if __name__ == "__main__":
    main()
