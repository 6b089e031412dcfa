"""`python -m server.jobs prove | ping`: for operators, against the running stack unless told otherwise."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import click
import uvloop
from dotenv import load_dotenv
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from server.db.engine import make_engine
from server.environment import env_file
from server.jobs.balance_table import table, verdict
from server.jobs.ping import PingLost, ping
from server.jobs.prove import prove
from server.jobs.queues import QUEUES
from server.jobs.stack import COULD_NOT_ASK, stack_address_or_exit
from server.jobs.wakeups import make_broker

_NOT_AS_IT_SHOULD_BE = 1

_SHOWN = timedelta(hours=24)

T = TypeVar("T")

_dsn = click.option(
    "--dsn", envvar="MILLRACE_POSTGRES_DSN", help="PostgreSQL's address. Default: the running stack's."
)


@click.group()
def main() -> None:
    """What can be asked of the job queue."""
    if (path := env_file()) is not None:
        load_dotenv(path)


@main.command("prove")
@_dsn
@click.option("--all", "everything", is_flag=True, help="Show every hour, not only those of the last day.")
def prove_command(dsn: str | None, everything: bool) -> None:
    """Show that no job was lost: enqueued = finished + open, for each queue and hour.

    Ends with 0 when that holds, 1 when somewhere it does not, 2 when PostgreSQL could not be asked.
    """
    balances = _asked(dsn, prove)
    since = None if everything else datetime.now(UTC) - _SHOWN
    for line in table(balances, since=since):
        click.echo(line)
    for line in verdict(balances):
        click.echo(line)
    if any(each.differences() for each in balances):
        sys.exit(_NOT_AS_IT_SHOULD_BE)


@main.command("ping")
@_dsn
@click.option("--redis", "redis_url", envvar="MILLRACE_REDIS_URL", help="Default: the running stack's.")
@click.option("--prefix", envvar="MILLRACE_REDIS_PREFIX", default="mr", show_default=True)
@click.option("--queue", type=click.Choice(list(QUEUES)), default="critical", show_default=True)
@click.option("--timeout", type=click.FloatRange(0.1, 3600), default=30.0, show_default=True)
def ping_command(dsn: str | None, redis_url: str | None, prefix: str, queue: str, timeout: float) -> None:
    """Have a worker run one empty job, and say how long that took.

    Ends with 0 when it ran, 1 when it did not within the timeout, 2 when PostgreSQL could not be asked.
    """
    address = redis_url or stack_address_or_exit("redis_url", "MILLRACE_REDIS_URL")
    try:
        make_broker(address, prefix)
    except ValueError as error:
        raise click.UsageError(f"MILLRACE_REDIS_URL or the prefix: {error}") from None
    try:
        pong = _asked(dsn, lambda engine: ping(engine, address, prefix, queue=queue, patience=timeout))
    except PingLost as error:
        click.echo(f"No answer: {error}", err=True)
        sys.exit(_NOT_AS_IT_SHOULD_BE)
    click.echo(
        f"{queue}: waited {pong.wait_seconds * 1000:.1f} ms, ran {pong.run_seconds * 1000:.1f} ms, "
        f"by {pong.worker}"
    )


def _asked(dsn: str | None, question: Callable[[AsyncEngine], Awaitable[T]]) -> T:
    address = dsn or stack_address_or_exit("postgres_dsn", "MILLRACE_POSTGRES_DSN")

    async def ask() -> T:
        engine = make_engine(address, pool_size=1, application_name="millrace-jobs")
        try:
            return await question(engine)
        finally:
            await engine.dispose()

    try:
        return uvloop.run(ask())
    except (OSError, SQLAlchemyError) as error:
        # Not SQLAlchemy's own text, which goes on with the statement.
        click.echo(f"PostgreSQL could not be asked: {getattr(error, 'orig', None) or error}", err=True)
        sys.exit(COULD_NOT_ASK)


if __name__ == "__main__":
    main()
