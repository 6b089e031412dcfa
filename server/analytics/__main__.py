"""`python -m server.analytics prove | rebuild`: for operators, of the running stack unless told otherwise."""

from __future__ import annotations

import datetime
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import asyncpg
import click
import uvloop
from dotenv import load_dotenv

from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis
from server.analytics.differences import Proof, table, verdict
from server.analytics.drift import LiveSide, prove
from server.analytics.progress_line import ProgressLine
from server.analytics.rebuild import Kept, RawGone, RebuildGoesOn, Rebuilt, rebuild
from server.analytics.utc_days import day_of_date
from server.environment import env_file
from server.jobs.stack import COULD_NOT_ASK, stack_address_or_exit

_NOT_AS_IT_SHOULD_BE: Final = 1

_CONNECT_SECONDS: Final = 5.0
_REDIS_SECONDS: Final = 5.0
_SESSION: Final = {"application_name": "millrace-analytics", "timezone": "UTC", "jit": "off"}

T = TypeVar("T")

_dsn = click.option(
    "--dsn", envvar="MILLRACE_POSTGRES_DSN", help="PostgreSQL's address. Default: the running stack's."
)
_event_days = click.option(
    "--event-days",
    envvar="MILLRACE_EVENT_RETENTION_DAYS",
    type=click.IntRange(1, 3650),
    default=90,
    show_default=True,
    help="For how long raw events are kept.",
)
_click_days = click.option(
    "--click-days",
    envvar="MILLRACE_CLICK_RETENTION_DAYS",
    type=click.IntRange(1, 3650),
    default=400,
    show_default=True,
    help="For how long raw clicks are kept.",
)
_date = click.DateTime(formats=["%Y-%m-%d"])


@click.group()
def main() -> None:
    """What can be asked of what was counted, and how it is counted again."""
    if (path := env_file()) is not None:
        load_dotenv(path)


@main.command("prove")
@_dsn
@click.option("--redis", "redis_url", envvar="MILLRACE_REDIS_URL", help="Default: the running stack's.")
@click.option("--prefix", envvar="MILLRACE_REDIS_PREFIX", default="mr", show_default=True)
@click.option(
    "--shards",
    envvar="MILLRACE_STREAM_SHARDS",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="How many shards the streams have.",
)
@_event_days
@_click_days
@click.option("--days", type=click.IntRange(1), help="Only so many days, today included. Default: all.")
def prove_command(
    *,
    dsn: str | None,
    redis_url: str | None,
    prefix: str,
    shards: int,
    event_days: int,
    click_days: int,
    days: int | None,
) -> None:
    """Compare live counters, raw rows and rollups, and print each difference.

    Ends with 0 when all agree, 1 when somewhere they do not, 2 when PostgreSQL could not be asked.
    """
    redis_address = redis_url or stack_address_or_exit("redis_url", "MILLRACE_REDIS_URL")
    kept = Kept(event_days, click_days)
    proof = _run(_prove(_address(dsn), redis_address, StreamKeys(prefix, shards), kept=kept, days=days))
    for note in proof.notes:
        click.echo(f"Note: {note}")
    for line in table(proof.differences):
        click.echo(line)
    click.echo(verdict(proof))
    if proof.differences:
        sys.exit(_NOT_AS_IT_SHOULD_BE)


@main.command("rebuild")
@_dsn
@_event_days
@_click_days
@click.option("--from", "first", type=_date, required=True, help="The first UTC day, as 2026-11-23.")
@click.option("--to", "last", type=_date, required=True, help="The last UTC day; it is included.")
def rebuild_command(
    dsn: str | None, event_days: int, click_days: int, first: datetime.datetime, last: datetime.datetime
) -> None:
    """Make rollups and sessions of these UTC days anew from raw rows, while the stack runs.

    Cut short, it goes on where it was when the same days are asked for again. Ends with 0 when all is done,
    2 when that cannot be, with the reason.
    """
    if last < first:
        raise click.UsageError("--to is before --from")
    done = _run(
        _rebuild(
            _address(dsn), day_of_date(first.date()), day_of_date(last.date()), Kept(event_days, click_days)
        )
    )
    click.echo(
        f"OK: rebuilt {done.hours:,} hours from {done.events:,} events and {done.clicks:,} clicks, "
        f"closed {done.closed:,} days again"
    )


async def _prove(dsn: str, redis_address: str, keys: StreamKeys, *, kept: Kept, days: int | None) -> Proof:
    progress = ProgressLine("comparing days")
    async with (
        await PipeliningRedis.open(redis_address, timeout=_REDIS_SECONDS) as redis,
        _connected(dsn) as connection,
    ):
        outcome = await prove(
            connection, LiveSide(redis, keys), kept=kept, days=days, on_progress=progress.show
        )
    progress.end()
    return outcome.proof


async def _rebuild(dsn: str, first_day: int, last_day: int, kept: Kept) -> Rebuilt:
    progress = ProgressLine("rebuilding hours")
    async with _connected(dsn) as connection:
        try:
            return await rebuild(connection, first_day, last_day, kept=kept, on_progress=progress.show)
        finally:
            progress.end()


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(dsn, timeout=_CONNECT_SECONDS, server_settings=_SESSION)
    try:
        yield connection
    finally:
        await connection.close(timeout=_CONNECT_SECONDS)


def _run(asked: Awaitable[T]) -> T:
    async def run() -> T:
        return await asked

    try:
        return uvloop.run(run())
    except (RawGone, RebuildGoesOn) as error:
        click.echo(f"Not possible: {error}", err=True)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        click.echo(f"PostgreSQL could not be asked: {error}", err=True)
    except ValueError as error:
        click.echo(f"A setting is wrong: {error}", err=True)
    except KeyboardInterrupt:
        click.echo("Stopped; the same command goes on from here.", err=True)
    sys.exit(COULD_NOT_ASK)


def _address(dsn: str | None) -> str:
    return dsn or stack_address_or_exit("postgres_dsn", "MILLRACE_POSTGRES_DSN")


if __name__ == "__main__":
    main()
