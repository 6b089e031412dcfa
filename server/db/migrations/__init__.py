"""The schema's history: how to bring a database up to date. What each step does lives in `versions`."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from server.db.engine import make_engine

# Any constant does; two processes that migrate at once must agree on it.
_ADVISORY_LOCK = 0x6D696C6C72616365


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


def current_head() -> str:
    """The newest revision that this code knows. Raises when the history is not one line."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise LookupError("the migration history is empty")
    return head


async def upgrade(dsn: str, revision: str = "head") -> None:
    """Bring the database up to `revision`, all steps in one transaction.

    Safe to call from several processes at once: the others wait, and then find nothing left to do.
    """

    def run(connection: Connection) -> None:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    engine = make_engine(dsn, pool_size=1, statement_timeout=None, application_name="millrace-migrations")
    try:
        async with engine.begin() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()
