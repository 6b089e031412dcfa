"""`python -m server`: hosts the domain services over gRPC."""

from __future__ import annotations

import click
import uvloop
from pydantic import ValidationError

from server.environment import complaints
from server.hosting import UnknownService, serve
from server.logs import configure_logs
from server.settings import load_settings


@click.command()
@click.option("--services", help="Host only these, by name and separated by commas. Default: all.")
def main(services: str | None) -> None:
    """Serve the domain services over gRPC until SIGTERM. Settings come from MILLRACE_* variables."""
    overrides = {} if services is None else {"services": services}
    try:
        settings = load_settings(**overrides)
    except ValidationError as error:
        raise click.ClickException(complaints(error)) from None
    configure_logs(settings.log_level, settings.log_format)
    try:
        uvloop.run(serve(settings))
    except UnknownService as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
