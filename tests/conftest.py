"""Real backing services for every test: one server of each kind per session, a fresh corner of it per test.

Fixtures of one domain live beside its tests.
"""

import contextlib
import itertools
import logging
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from server.db.engine import Sessions, make_engine, make_sessions
from server.standalone.backing.postgres import Postgres, running_postgres
from server.standalone.backing.redis import running_redis
from server.standalone.ports import free_port as find_free_port

TEMPLATE = "migrated"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def services_folder() -> Iterator[Path]:
    """A folder for the servers' files that PostgreSQL's account can reach also when the tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix="millrace-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
async def postgres_server(services_folder: Path) -> AsyncIterator[Postgres]:
    """A PostgreSQL for the whole session. Tests that kill one start their own with `running_postgres`."""
    async with running_postgres(services_folder) as (server, _):
        yield server


@pytest.fixture(scope="session")
async def migrated_template(postgres_server: Postgres) -> str:
    """The name of a database with every migration applied; nothing is connected to it."""
    from server.db.migrations import upgrade

    await _execute(postgres_server, f'CREATE DATABASE "{TEMPLATE}"')
    await upgrade(postgres_server.dsn(TEMPLATE))
    return TEMPLATE


@pytest.fixture
async def postgres_dsn(postgres_server: Postgres, migrated_template: str) -> AsyncIterator[str]:
    """The address of a database of the test's own, migrated and empty."""
    async with _fresh_database(postgres_server, migrated_template) as dsn:
        yield dsn


@pytest.fixture
async def engine(postgres_dsn: str) -> AsyncIterator[AsyncEngine]:
    """An engine of the test's own over its database."""
    engine = make_engine(postgres_dsn)
    yield engine
    await engine.dispose()


@pytest.fixture
def sessions(engine: AsyncEngine) -> Sessions:
    """Sessions of that engine."""
    return make_sessions(engine)


@pytest.fixture
async def empty_postgres_dsn(postgres_server: Postgres) -> AsyncIterator[str]:
    """The address of a database of the test's own, without any table."""
    async with _fresh_database(postgres_server, "template1") as dsn:
        yield dsn


@contextlib.asynccontextmanager
async def _fresh_database(server: Postgres, template: str) -> AsyncIterator[str]:
    name = f"test_{next(_numbers)}"
    await _execute(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
    yield server.dsn(name)
    await _execute(server, f'DROP DATABASE "{name}" WITH (FORCE)')


async def _execute(server: Postgres, statement: str) -> None:
    connection = await asyncpg.connect(server.dsn("postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
async def redis_server_url(services_folder: Path) -> AsyncIterator[str]:
    """The address of a Valkey for the whole session, which syncs its log on every write as ours do."""
    async with running_redis(services_folder) as (server, _):
        yield server.url


@pytest.fixture
async def redis_url(redis_server_url: str) -> str:
    """The address of the session's Valkey, emptied before the test; its Functions are gone as well."""
    client = redis.asyncio.from_url(redis_server_url)
    try:
        await client.flushall()
        await client.function_flush("SYNC")
    finally:
        await client.aclose()
    return redis_server_url


@pytest.fixture
def redis_prefix() -> str:
    """A key prefix that no other test uses."""
    return f"t{uuid.uuid4().hex[:8]}"


@pytest.fixture
def unused_port() -> int:
    """A loopback port on which nothing listens now."""
    return find_free_port()


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Lets a test set logging up as a process would, and puts it back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
