"""The daily partitions of the clicks table: made before the first row of a day needs one, dropped when old.

Plain SQL over asyncpg, for the drain, which runs without SQLAlchemy. When to do it is for the callers.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from typing import Any, Final

from millrace.streams.ids import id_text
from server.affiliate.click_columns import CLICKS

DAY_MS: Final = 86_400_000

# Any constant does; everybody who makes or drops partitions must agree on it.
_ADVISORY_LOCK: Final = 0x636C69636B73
# Dropping a day locks the whole table for a moment. Whoever comes meanwhile waits behind it, drains first of
# all, so it asks for no longer than this; then the day stays until the next try.
_DROP_PATIENCE: Final = "1s"

_EPOCH: Final = datetime.date(1970, 1, 1)
_NAME: Final = re.compile(rf"{CLICKS}_(\d{{4}})_(\d\d)_(\d\d)")

_EXISTING: Final = f"""
    SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = '{CLICKS}'::regclass
"""  # noqa: S608 - a constant of ours


def partition_name(day: int) -> str:
    """The table that holds the clicks of a UTC day, counted from 1970: `clicks_2026_11_23`."""
    return f"{CLICKS}_{_EPOCH + datetime.timedelta(days=day):%Y_%m_%d}"


def partition_day(name: str) -> int | None:
    """The day that a partition of ours holds; None for any other table."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        return (datetime.date(*map(int, found.groups())) - _EPOCH).days
    except ValueError:
        return None


class Partitions:
    """Which days have a partition, as far as this process knows."""

    def __init__(self) -> None:
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
            existing = {row[0] for row in await connection.fetch(_EXISTING)}
            wanting = [day for day in missing if partition_name(day) not in existing]
            for day in wanting:
                await _make_partition(connection, day)
        self._known.update(missing)
        return len(wanting)

    def forget(self) -> None:
        """Look again: retention may have dropped a day that was known."""
        self._known.clear()


async def days_before(connection: Any, first_kept: int) -> list[int]:
    """The days before `first_kept` that have a partition, oldest first."""
    days = [partition_day(row[0]) for row in await connection.fetch(_EXISTING)]
    return sorted(day for day in days if day is not None and day < first_kept)


async def drop_partition(connection: Any, day: int) -> None:
    """Drop the day with its rows; done already is done. For use outside a transaction.

    Raises asyncpg's LockNotAvailableError when the table was in use for too long, and nothing is dropped.
    """
    # Detaching concurrently would lock nobody out, but needs several transactions and leaves a half detached
    # day when it dies between them, under a name that a drain may need. This is all or nothing.
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _ADVISORY_LOCK)
        await connection.execute(f"SET LOCAL lock_timeout = '{_DROP_PATIENCE}'")
        await connection.execute(f"DROP TABLE IF EXISTS {partition_name(day)}")


async def _make_partition(connection: Any, day: int) -> None:
    name = partition_name(day)
    # Attaching a table made apart lets readers and writers go on; CREATE … PARTITION OF would lock them out.
    await connection.execute(f"CREATE TABLE {name} (LIKE {CLICKS} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    await connection.execute(
        f"ALTER TABLE {CLICKS} ATTACH PARTITION {name} "
        f"FOR VALUES FROM ('{_first_id(day)}') TO ('{_first_id(day + 1)}')"
    )


def _first_id(day: int) -> str:
    return id_text((day * DAY_MS).to_bytes(6, "big") + bytes(10))
