"""Daily partitions of tables whose key is a UUIDv7: made before a day's first row comes, dropped when old.

Plain SQL over asyncpg, for the drain, which runs without SQLAlchemy. When to do it is for the callers.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from typing import Any, Final

from millrace.streams.ids import id_text

DAY_MS: Final = 86_400_000

# Any constant does; everybody who makes or drops partitions must agree on it. One for all tables: it is held
# for milliseconds.
_ADVISORY_LOCK: Final = 0x636C69636B73
# Dropping a day locks the whole table for a moment. Whoever comes meanwhile waits behind it, drains first of
# all, so it asks for no longer than this; then the day stays until the next try.
_DROP_PATIENCE: Final = "1s"

_EPOCH: Final = datetime.date(1970, 1, 1)
_DATE: Final = re.compile(r"(\d{4})_(\d\d)_(\d\d)")

_EXISTING: Final = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = $1::text::regclass"


def partition_name(table: str, day: int) -> str:
    """The partition that holds a UTC day, counted from 1970: `clicks_2026_11_23`."""
    return f"{table}_{_EPOCH + datetime.timedelta(days=day):%Y_%m_%d}"


def partition_day(table: str, name: str) -> int | None:
    """The day that a partition of the table holds; None for anything else."""
    if not name.startswith(f"{table}_"):
        return None
    found = _DATE.fullmatch(name, len(table) + 1)
    if found is None:
        return None
    try:
        return (datetime.date(*map(int, found.groups())) - _EPOCH).days
    except ValueError:
        return None


class DayPartitions:
    """Which days of a table have a partition, as far as this process knows."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._known: set[int] = set()

    async def ensure(self, connection: Any, days: Iterable[int]) -> int:
        """Return once each day has its partition; says how many were made.

        For use outside a transaction, by many processes at once.
        """
        missing = sorted(set(days) - self._known)
        if not missing:
            return 0
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _ADVISORY_LOCK)
            existing = {row[0] for row in await connection.fetch(_EXISTING, self._table)}
            wanting = [day for day in missing if partition_name(self._table, day) not in existing]
            for day in wanting:
                await _make_partition(connection, self._table, day)
        self._known.update(missing)
        return len(wanting)

    def forget(self) -> None:
        """Look again: retention may have dropped a day that was known."""
        self._known.clear()


async def days_before(connection: Any, table: str, first_kept: int) -> list[int]:
    """The days before `first_kept` that have a partition, oldest first."""
    days = [partition_day(table, row[0]) for row in await connection.fetch(_EXISTING, table)]
    return sorted(day for day in days if day is not None and day < first_kept)


async def drop_partition(connection: Any, table: str, day: int) -> None:
    """Drop the day with its rows; done already is done. For use outside a transaction.

    Raises asyncpg's LockNotAvailableError when the table was in use for too long, and nothing is dropped.
    """
    # Detaching concurrently would lock nobody out, but needs several transactions and leaves a half detached
    # day when it dies between them, under a name that a drain may need. This is all or nothing.
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _ADVISORY_LOCK)
        await connection.execute(f"SET LOCAL lock_timeout = '{_DROP_PATIENCE}'")
        await connection.execute(f"DROP TABLE IF EXISTS {partition_name(table, day)}")


async def _make_partition(connection: Any, table: str, day: int) -> None:
    name = partition_name(table, day)
    # Attaching a table made apart lets readers and writers go on; CREATE … PARTITION OF would lock them out.
    await connection.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    await connection.execute(
        f"ALTER TABLE {table} ATTACH PARTITION {name} "
        f"FOR VALUES FROM ('{_first_id(day)}') TO ('{_first_id(day + 1)}')"
    )


def _first_id(day: int) -> str:
    return id_text((day * DAY_MS).to_bytes(6, "big") + bytes(10))
