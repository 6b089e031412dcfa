"""Rows into PostgreSQL with all that counts them, a batch in one transaction, repeatable at will.

Which batch to write, and when to try again, is decided by the callers. The drain writes what it decoded
(`write`); whoever has clicks or events at hand that never were in a stream writes those (`write_facts`):

    async with RowWriter(EventKind(own_hosts), dsn) as writer:
        written = await writer.write_facts(stream_events)   # millrace.streams.event_records.StreamEvent
    async with RowWriter(ClickKind(), dsn) as writer:
        written = await writer.write_facts(clicks)          # millrace.streams.records.Click

Plain SQL over asyncpg: importing SQLAlchemy would take longer than the rest of this process's start.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Sequence
from operator import attrgetter
from types import TracebackType
from typing import Any, Final, Generic, NamedTuple, Self

import asyncpg

from server.analytics.counting import lock_days
from server.db.day_partitions import DAY_MS, DayPartitions
from workers.drain.copy_format import whole
from workers.drain.dead_letters import DeadLetter, bury
from workers.drain.frozen_writers import SESSION, end_frozen_writers
from workers.drain.rows import Counted, Fact, PendingRow, StreamKind
from workers.drain.steps import OnStep, go_on
from workers.retries import POSTGRES_FAILURES

CONNECT_SECONDS: Final = 5.0
STATEMENT_SECONDS: Final = 30.0
# Partitions made when a connection opens, so that midnight finds them there.
DAYS_AHEAD: Final = 3


class Written(NamedTuple):
    """How many facts became rows, and how many were rows already."""

    inserted: int
    replayed: int

    def plus(self, other: Written) -> Written:
        """Both together."""
        return Written(self.inserted + other.inserted, self.replayed + other.replayed)


class RowWriter(Generic[Fact, Counted]):
    """Writes batches over one connection of its own, opened when needed. Not for use by two tasks at once."""

    def __init__(self, kind: StreamKind[Fact, Counted], dsn: str, *, on_step: OnStep = go_on) -> None:
        self.kind = kind
        self._dsn = dsn
        self._on_step = on_step
        self._connection: Any = None
        self._partitions = DayPartitions(kind.table)
        self._expect_replays = False
        self._staged = f"staged_{kind.table}"
        self._insert_staged = _insert_staged(kind.table, self._staged, kind.columns)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect unless connected, make the partitions of today and the next days, and prepare the kind."""
        if self._connection is not None and not self._connection.is_closed():
            return
        connection = await asyncpg.connect(
            self._dsn,
            timeout=CONNECT_SECONDS,
            command_timeout=STATEMENT_SECONDS,
            server_settings=SESSION,
        )
        self._connection = connection
        self._partitions.forget()
        today = int(time.time() * 1000) // DAY_MS
        await self._partitions.ensure(connection, range(today, today + DAYS_AHEAD + 1))
        await self.kind.prepare(connection)

    async def close(self) -> None:
        """End the connection politely, for want of further work."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            await connection.close(timeout=CONNECT_SECONDS)
        except POSTGRES_FAILURES:
            connection.terminate()

    def drop(self) -> None:
        """Leave a connection that failed without waiting for it; the next write opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def write_facts(self, facts: Iterable[Fact]) -> Written:
        """Commit facts that come from no stream, in their order. As `write`; a few thousand at once."""
        await self.open()  # before rows are made: the kind needs to be prepared
        rows = [self.kind.pending(fact, place) for place, fact in enumerate(facts)]
        return await self.write(sorted(rows, key=attrgetter("row_id")))

    async def write(
        self, rows: Sequence[PendingRow[Fact, Counted]], dead_letters: Sequence[DeadLetter] = ()
    ) -> Written:
        """Commit the batch whole or not at all. Facts stored before, or twice in the batch, count once.

        `rows` come in order of their ids; of equals the first counts, unless a later one says more. Raises
        what asyncpg raises; `retries.refuses_values` tells whether the rows are to blame. After any error the
        batch may or may not be there, and is safe to write again.
        """
        if not rows and not dead_letters:
            return Written(0, 0)
        await self.open()
        distinct = self._without_repeats(rows)
        days = _days_of_ids(distinct)
        await self._partitions.ensure(self._connection, days)
        try:
            inserted = await self._write_once(distinct, dead_letters)
        except asyncpg.UniqueViolationError:
            self._expect_replays = True
            inserted = await self._write_once(distinct, dead_letters)
        except asyncpg.CheckViolationError:
            # A day known here was dropped meanwhile. Asking before every batch would cost more than this.
            self._partitions.forget()
            await self._partitions.ensure(self._connection, days)
            inserted = await self._write_once(distinct, dead_letters)
        except asyncpg.LockNotAvailableError:
            await end_frozen_writers(self._connection)
            raise
        self._on_step("committed")
        return Written(inserted, len(rows) - inserted)

    async def _write_once(
        self, rows: Sequence[PendingRow[Fact, Counted]], dead_letters: Sequence[DeadLetter]
    ) -> int:
        """One transaction; says how many rows were inserted. Locks are taken in the order given here."""
        async with self._connection.transaction():
            await bury(self._connection, dead_letters)
            await lock_days(self._connection, {each.day for each in rows})
            claimed = await self.kind.claim(self._connection, rows)
            self._on_step("claimed")
            inserted = await self._insert(claimed)
            self._on_step("copied")
            await self.kind.count(self._connection, inserted, _others(claimed, inserted))
            self._on_step("rolled_up")
        return len(inserted)

    async def _insert(self, rows: Sequence[PendingRow[Fact, Counted]]) -> Sequence[PendingRow[Fact, Counted]]:
        """Those of the rows that were not in the table."""
        if not rows:
            return rows
        payload = whole(each.row for each in rows)
        if not self._expect_replays:
            await self._copy(self.kind.table, payload)
            return rows
        await self._connection.execute(
            f"CREATE TEMP TABLE IF NOT EXISTS {self._staged} (LIKE {self.kind.table}) ON COMMIT DELETE ROWS"
        )
        await self._copy(self._staged, payload)
        new = {row[0].bytes for row in await self._connection.fetch(self._insert_staged)}
        # A replay seldom comes alone: the next batch goes straight to staging, until one is all new.
        self._expect_replays = len(new) < len(rows)
        return [each for each in rows if each.row_id in new]

    def _without_repeats(
        self, rows: Sequence[PendingRow[Fact, Counted]]
    ) -> Sequence[PendingRow[Fact, Counted]]:
        if len({each.row_id for each in rows}) == len(rows):
            return rows
        standing: dict[bytes, PendingRow[Fact, Counted]] = {}
        for each in rows:
            first = standing.get(each.row_id)
            if first is None or self.kind.says_more(each.fact, first.fact):
                standing[each.row_id] = each
        return list(standing.values())

    async def _copy(self, table: str, payload: bytes) -> None:
        await self._connection.copy_to_table(
            table,
            source=_at_once(payload),
            columns=self.kind.columns,
            format="binary",
            timeout=STATEMENT_SECONDS,
        )


def _days_of_ids(rows: Sequence[PendingRow[Fact, Counted]]) -> set[int]:
    # In order of their ids, so when both ends are of one day, all are.
    if rows and rows[0].id_day == rows[-1].id_day:
        return {rows[0].id_day}
    return {each.id_day for each in rows}


def _others(
    rows: Sequence[PendingRow[Fact, Counted]], inserted: Sequence[PendingRow[Fact, Counted]]
) -> Sequence[PendingRow[Fact, Counted]]:
    if len(rows) == len(inserted):
        return ()
    new = {each.row_id for each in inserted}
    return [each for each in rows if each.row_id not in new]


def _insert_staged(table: str, staged: str, columns: Sequence[str]) -> str:
    names, key = ", ".join(columns), columns[0]
    return f"""
        INSERT INTO {table} ({names}) SELECT {names} FROM {staged} ORDER BY {key}
        ON CONFLICT DO NOTHING RETURNING {key}
    """  # noqa: S608 - constants of ours


async def _at_once(payload: bytes) -> AsyncIterator[bytes]:
    yield payload
