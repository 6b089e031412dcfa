"""The daily partitions of the clicks table, made before the first row of a day needs one."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any, Final

from millrace.streams.ids import id_text
from server.affiliate.click_columns import CLICKS
from workers.drain.decoding import DAY_MS

# Any constant does; every drain must agree on it.
_ADVISORY_LOCK: Final = 0x636C69636B73

_EXISTING: Final = f"""
    SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = '{CLICKS}'::regclass
"""  # noqa: S608 - a constant of ours


def partition_name(day: int) -> str:
    """The table that holds the clicks of a UTC day, counted from 1970: `clicks_2026_11_23`."""
    date = datetime.date(1970, 1, 1) + datetime.timedelta(days=day)
    return f"{CLICKS}_{date:%Y_%m_%d}"


class Partitions:
    """Which days have a partition, as far as this process knows."""

    def __init__(self) -> None:
        self._known: set[int] = set()

    async def ensure(self, connection: Any, days: Iterable[int]) -> None:
        """Return once each day has its partition. For use outside a transaction, by many drains at once."""
        missing = sorted(set(days) - self._known)
        if not missing:
            return
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _ADVISORY_LOCK)
            existing = {row[0] for row in await connection.fetch(_EXISTING)}
            for day in missing:
                if partition_name(day) not in existing:
                    await _make_partition(connection, day)
        self._known.update(missing)

    def forget(self) -> None:
        """Look again: retention may have dropped a day that was known."""
        self._known.clear()


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
