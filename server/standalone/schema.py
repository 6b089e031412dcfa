"""Whether the database and the demo shop are as this checkout wants them, told without loading the ORM.

What was done is noted in the state folder, together with the identity of the database that it was done to: a
start that finds everything as noted pays for one query.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import asyncpg

from server.standalone.private_files import write_private

FILE = "installed.json"
VERSIONS = Path(__file__).parents[1] / "db" / "migrations" / "versions"
IDENTITY = (
    "SELECT system_identifier || '/' || (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "FROM pg_control_system()"
)


class DatabaseUnreachableError(Exception):
    """There is no working database at the address."""


@dataclass(frozen=True)
class Installed:
    """What was last done to which database. `partner_id` is the demo partner's, None before seeding.

    `history` and `pictures` say which ones the demo shop was given, 0 before any.
    """

    migrations: str = ""
    database: str = ""
    revision: str | None = None
    partner_id: str | None = None
    history: int = 0
    pictures: int = 0


@dataclass(frozen=True)
class Found:
    """What a database says of itself."""

    database: str
    revision: str | None


def read_installed(state: Path) -> Installed:
    """The note of the last start; an empty one when there was none."""
    file = state / FILE
    return Installed(**json.loads(file.read_text())) if file.exists() else Installed()


def write_installed(state: Path, installed: Installed) -> None:
    """Replaces the note."""
    write_private(state / FILE, json.dumps(asdict(installed), indent=1))


def migrations_digest(versions: Path = VERSIONS) -> str:
    """Changes with every change of the migrations of this checkout."""
    content = hashlib.sha256()
    for file in sorted(versions.glob("*.py")):
        content.update(file.name.encode() + b"\0" + file.read_bytes())
    return content.hexdigest()


async def look_at(dsn: str) -> Found:
    """Asks the database who it is and which revision its schema has: None where it was never made.

    Raises DatabaseUnreachableError when it cannot be asked.
    """
    try:
        connection = await asyncpg.connect(dsn, timeout=10)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError) as error:
        raise DatabaseUnreachableError(
            f"PostgreSQL cannot be used (MILLRACE_POSTGRES_DSN, where it is set): {error}"
        ) from error
    try:
        database = await connection.fetchval(IDENTITY)
        try:
            revision = await connection.fetchval("SELECT version_num FROM alembic_version")
        except asyncpg.UndefinedTableError:
            revision = None
        return Found(database, revision)
    finally:
        await connection.close()
