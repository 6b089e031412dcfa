"""How we connect to PostgreSQL: engine, sessions, waiting for it at start. No domain's query lives here."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time

import asyncpg
import structlog
from sqlalchemy import URL, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

log = structlog.get_logger(__name__)

Sessions = async_sessionmaker[AsyncSession]

TRUSTED_IDLE_SECONDS = 1.0


def asyncpg_url(dsn: str) -> URL:
    """The DSN as people write it (`postgresql://…?sslmode=require`) for SQLAlchemy's asyncpg dialect."""
    url = make_url(dsn)
    query = dict(url.query)
    if "sslmode" in query:  # libpq's word; asyncpg takes the same values as `ssl`
        query["ssl"] = query.pop("sslmode")
    return url.set(drivername="postgresql+asyncpg", query=query)


def make_engine(
    dsn: str,
    *,
    pool_size: int = 10,
    max_overflow: int | None = None,
    pool_timeout: float = 5.0,
    statement_timeout: float | None = 15.0,
    application_name: str = "millrace",
) -> AsyncEngine:
    """An engine whose owner disposes of it. `statement_timeout` is in seconds; None means no limit.

    Beyond `pool_size` connections, `max_overflow` more (as many again unless given) are made for one use;
    beyond these a caller waits for `pool_timeout` seconds and then meets SQLAlchemy's TimeoutError.
    A connection is tested before use, so that a restarted PostgreSQL costs the first caller no error.
    """
    server_settings = {"application_name": application_name, "jit": "off", "timezone": "UTC"}
    if statement_timeout is not None:
        server_settings["statement_timeout"] = str(int(statement_timeout * 1000))
        server_settings["idle_in_transaction_session_timeout"] = str(int(statement_timeout * 2000))
    engine = create_async_engine(
        asyncpg_url(dsn),
        pool_size=pool_size,
        max_overflow=pool_size if max_overflow is None else max_overflow,
        pool_timeout=pool_timeout,
        # Errors quote a statement's values otherwise, and end in logs.
        hide_parameters=True,
        connect_args={"timeout": 5.0, "server_settings": server_settings},
    )
    _test_connections(engine)
    return engine


def _test_connections(engine: AsyncEngine) -> None:
    """Test at checkout as `pool_pre_ping` does, but ask a connection that worked a moment ago only whether
    its socket was closed: the ping is three round trips, which is most of a short transaction.
    """
    dialect = engine.sync_engine.dialect

    @event.listens_for(engine.sync_engine, "checkin")
    def note_time(connection: object, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def test(connection: DBAPIConnection, record: ConnectionPoolEntry, proxy: object) -> None:
        driver: asyncpg.Connection | None = record.driver_connection
        if driver is None or driver.is_closed():
            raise DisconnectionError("the connection was closed while idle")
        if time.monotonic() - record.info.get("idle_since", math.inf) < TRUSTED_IDLE_SECONDS:
            return
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise DisconnectionError("the connection was lost while idle") from error


async def dispose(engine: AsyncEngine, *, patience: float = 2.0) -> None:
    """Close the pool; after `patience` seconds a server that answers no goodbye is left alone."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience):
            await engine.dispose()


def make_sessions(engine: AsyncEngine) -> Sessions:
    """The session factory; `async with sessions.begin() as session` is one unit of work."""
    return async_sessionmaker(engine, expire_on_commit=False)


async def wait_until_reachable(engine: AsyncEngine, *, patience: float = 30.0) -> None:
    """Return once PostgreSQL answers; after `patience` seconds raise what the last attempt met."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + patience
    pause = 0.05
    while True:
        try:
            async with engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except (OSError, TimeoutError, OperationalError, InterfaceError, DBAPIError) as error:
            if loop.time() + pause >= give_up_at:
                raise
            log.info("postgres_not_yet_reachable", error=type(error).__name__)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, 1.0)
        else:
            return
