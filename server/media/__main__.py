"""`python -m server.media sweep | reconcile`: upkeep at once, on the running stack unless told otherwise."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click
import msgspec
import uvloop
from dotenv import load_dotenv
from pydantic import SecretStr, ValidationError
from sqlalchemy.exc import SQLAlchemyError

from server.db.engine import Sessions, dispose, make_engine, make_sessions
from server.environment import complaints, env_file
from server.jobs.enqueueing import Jobs
from server.jobs.stack import COULD_NOT_ASK, stack_address_or_exit
from server.media.reconciling import ImplausibleLoss, Reconciliation, Report
from server.media.settings import MediaSettings
from server.media.store import ObjectStore, StoreUnavailable
from server.media.sweeps import UploadSweep

_NOT_AS_IT_SHOULD_BE = 1
_DSN = "MILLRACE_POSTGRES_DSN"
_STATEMENT_SECONDS = 60.0
# Workers look for jobs of themselves too, if a little later.
_JOBS = Jobs(lambda queue: None)

T = TypeVar("T")


@click.group()
def main() -> None:
    """What is done for pictures on a schedule. Safe beside the scheduled runs, and beside all other work."""
    if (path := env_file()) is not None:
        load_dotenv(path)


@main.command("sweep")
def sweep_command() -> None:
    """Remove uploads that nobody completed in a day, and give stuck pictures their job again.

    Ends with 0, or with 2 when PostgreSQL or the store could not be asked.
    """

    async def sweep(sessions: Sessions, store: ObjectStore) -> tuple[int, int]:
        upkeep = UploadSweep(sessions, store, _JOBS)
        return await upkeep.resume_stuck(_silent), await upkeep.remove_abandoned(_silent)

    resumed, removed = _done(sweep)
    click.echo(
        f"{removed} uploads never completed were removed, {resumed} stuck pictures have their job again."
    )


@main.command("reconcile")
@click.option("--dry-run", is_flag=True, help="Only tell what differs; repair nothing.")
def reconcile_command(dry_run: bool) -> None:
    """Compare every object of the bucket with every row, and repair; the report is JSON.

    Ends with 0, with 1 when so much is missing that nothing was touched, with 2 when PostgreSQL or the store
    could not be asked.
    """

    async def reconcile(sessions: Sessions, store: ObjectStore) -> Report:
        return await Reconciliation(sessions, store, _JOBS).run(_silent, dry=dry_run)

    try:
        report = _done(reconcile)
    except ImplausibleLoss as error:
        click.echo(str(error), err=True)
        sys.exit(_NOT_AS_IT_SHOULD_BE)
    click.echo(msgspec.json.format(msgspec.json.encode(report)).decode())


def _done(work: Callable[[Sessions, ObjectStore], Awaitable[T]]) -> T:
    dsn, settings = _addresses()

    async def do() -> T:
        engine = make_engine(
            dsn, pool_size=2, statement_timeout=_STATEMENT_SECONDS, application_name="millrace media"
        )
        store = ObjectStore(settings)
        try:
            return await work(make_sessions(engine), store)
        finally:
            await store.close()
            await dispose(engine)

    try:
        return uvloop.run(do())
    except (OSError, SQLAlchemyError, StoreUnavailable) as error:
        # Not SQLAlchemy's own text, which goes on with the statement.
        click.echo(
            f"PostgreSQL or the store could not be asked: {getattr(error, 'orig', None) or error}", err=True
        )
        sys.exit(COULD_NOT_ASK)


def _addresses() -> tuple[str, MediaSettings]:
    """PostgreSQL's and the store's, both of the environment or both of the running stack: a bucket is never
    compared with the rows of another.
    """
    try:
        settings = MediaSettings()
    except ValidationError as error:
        raise click.UsageError(complaints(error)) from None
    if dsn := os.environ.get(_DSN):
        return dsn, settings

    def told(name: str) -> str:
        return stack_address_or_exit(name, _DSN)

    local = {
        "s3_endpoint": told("s3_endpoint"),
        "s3_bucket": told("s3_bucket"),
        "s3_access_key": told("s3_access_key"),
        "s3_secret_key": SecretStr(told("s3_secret_key")),
    }
    return told("postgres_dsn"), settings.model_copy(update=local)


async def _silent(count: int, what: str) -> None:
    """The answer comes at the end."""


if __name__ == "__main__":
    main()
