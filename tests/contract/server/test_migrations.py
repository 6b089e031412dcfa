"""Migrations against a real PostgreSQL."""

import asyncio

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

import server.affiliate.clicks
import server.affiliate.models
import server.analytics.models
import server.audit
import server.catalog.models
import server.jobs.models
import server.media.models
import server.streams.models  # noqa: F401 - the tables register themselves
from server.db.engine import make_engine
from server.db.metadata import Base
from server.db.migrations import current_head, upgrade


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(
        connection,
        opts={"compare_type": True, "compare_server_default": True, "target_metadata": Base.metadata},
    )
    return list(compare_metadata(context, Base.metadata))


def revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


async def test_an_upgraded_database_is_what_the_models_say(empty_postgres_dsn: str) -> None:
    """Upgrading an empty database leaves no difference from the tables that the code maps."""
    await upgrade(empty_postgres_dsn)
    engine = make_engine(empty_postgres_dsn)
    try:
        async with engine.connect() as connection:
            assert await connection.run_sync(revision) == current_head()
            assert await connection.run_sync(differences) == []
    finally:
        await engine.dispose()


async def test_parallel_upgrades_wait_for_each_other(empty_postgres_dsn: str) -> None:
    """Several processes that start at once all succeed."""
    await asyncio.gather(*(upgrade(empty_postgres_dsn) for _ in range(3)))


async def test_a_second_upgrade_changes_nothing(postgres_dsn: str) -> None:
    """An up-to-date database stays as it is."""
    await upgrade(postgres_dsn)
