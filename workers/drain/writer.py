"""Clicks into PostgreSQL: rows, rollups and dead letters of a batch in one transaction, repeatable at will.

Which batch to write, and when to try again, is decided by the callers. Plain SQL over asyncpg: importing
SQLAlchemy would take longer than the rest of this process's start.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import asyncpg
from asyncpg.pgproto.pgproto import UUID

from server.affiliate.click_columns import (
    CLICK_COLUMNS,
    CLICKS,
    LINK_CLICK_ROLLUPS,
    ROLLUP_BUCKET_SECONDS,
    ROLLUP_COLUMNS,
)
from server.affiliate.click_partitions import Partitions
from workers.drain.copy_format import HEADER, TRAILER
from workers.drain.dead_letters import DeadLetter, bury
from workers.drain.decoding import DAY_MS, PendingClick
from workers.drain.frozen_writers import SESSION, end_frozen_writers
from workers.drain.rollups import tally
from workers.drain.steps import OnStep, go_on
from workers.retries import POSTGRES_FAILURES

CONNECT_SECONDS: Final = 5.0
STATEMENT_SECONDS: Final = 30.0
# Partitions made when a connection opens, so that midnight finds them there.
DAYS_AHEAD: Final = 3

_STAGED: Final = "staged_clicks"
_CLICK_NAMES: Final = ", ".join(CLICK_COLUMNS)
_ROLLUP_NAMES: Final = ", ".join(ROLLUP_COLUMNS)

_STAGE: Final = f"CREATE TEMP TABLE IF NOT EXISTS {_STAGED} (LIKE {CLICKS}) ON COMMIT DELETE ROWS"

_ADD_TO_ROLLUPS: Final = """
    ON CONFLICT (link_id, bucket_start) DO UPDATE SET
        human_clicks = kept.human_clicks + excluded.human_clicks,
        unique_clicks = kept.unique_clicks + excluded.unique_clicks,
        bot_clicks = kept.bot_clicks + excluded.bot_clicks
"""

# Rows are locked in key order by every drain, so that no two wait for each other in a circle.
_ROLL_UP_TALLY: Final = f"""
    INSERT INTO {LINK_CLICK_ROLLUPS} AS kept ({_ROLLUP_NAMES})
    SELECT link_id, timestamptz 'epoch' + bucket * interval '{ROLLUP_BUCKET_SECONDS} s', human, uniq, bot
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
        AS added (link_id, bucket, human, uniq, bot)
    ORDER BY link_id, bucket
    {_ADD_TO_ROLLUPS}
"""  # noqa: S608 - constants of ours

_INSERT_STAGED: Final = f"""
    WITH inserted AS (
        INSERT INTO {CLICKS} ({_CLICK_NAMES})
        SELECT {_CLICK_NAMES} FROM {_STAGED} ORDER BY click_id
        ON CONFLICT DO NOTHING
        RETURNING link_id, clicked_at, is_human, is_unique
    ), rolled_up AS (
        INSERT INTO {LINK_CLICK_ROLLUPS} AS kept ({_ROLLUP_NAMES})
        SELECT link_id,
            date_bin('{ROLLUP_BUCKET_SECONDS} seconds', clicked_at, timestamptz 'epoch') AS bucket_start,
            count(*) FILTER (WHERE is_human),
            count(*) FILTER (WHERE is_human AND is_unique),
            count(*) FILTER (WHERE NOT is_human)
        FROM inserted
        GROUP BY link_id, bucket_start
        ORDER BY link_id, bucket_start
        {_ADD_TO_ROLLUPS}
    )
    SELECT count(*) FROM inserted
"""  # noqa: S608 - constants of ours


class Written(NamedTuple):
    """How many clicks became rows, and how many were rows already."""

    inserted: int
    replayed: int

    def plus(self, other: Written) -> Written:
        """Both together."""
        return Written(self.inserted + other.inserted, self.replayed + other.replayed)


class ClickWriter:
    """Writes batches over one connection of its own, opened when needed. Not for use by two tasks at once."""

    def __init__(self, dsn: str, *, on_step: OnStep = go_on) -> None:
        self._dsn = dsn
        self._on_step = on_step
        self._connection: Any = None
        self._partitions = Partitions()
        self._expect_replays = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect unless connected, and make the partitions of today and the next days."""
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

    async def write(self, clicks: Sequence[PendingClick], dead_letters: Sequence[DeadLetter] = ()) -> Written:
        """Commit the batch whole or not at all. Clicks stored before, or twice in the batch, count once.

        `clicks` come in order of their ids. Raises what asyncpg raises; `retries.refuses_rows` tells whether
        the rows are to blame. After any error the batch may or may not be there, and is safe to write again.
        """
        if not clicks and not dead_letters:
            return Written(0, 0)
        await self.open()
        await self._partitions.ensure(self._connection, _days(clicks))
        rows = b"".join([HEADER, *[each.row for each in clicks], TRAILER])
        try:
            written = await self._write_once(clicks, rows, dead_letters)
        except asyncpg.UniqueViolationError:
            self._expect_replays = True
            written = await self._write_once(clicks, rows, dead_letters)
        except asyncpg.CheckViolationError:
            # A day known here was dropped meanwhile. Asking before every batch would cost more than this.
            self._partitions.forget()
            await self._partitions.ensure(self._connection, _days(clicks))
            written = await self._write_once(clicks, rows, dead_letters)
        except asyncpg.LockNotAvailableError:
            await end_frozen_writers(self._connection)
            raise
        # A replay seldom comes alone: the next batch goes straight to staging, until one is all new.
        self._expect_replays = written.replayed > 0
        self._on_step("committed")
        return written

    async def _write_once(
        self, clicks: Sequence[PendingClick], rows: bytes, dead_letters: Sequence[DeadLetter]
    ) -> Written:
        async with self._connection.transaction():
            await bury(self._connection, dead_letters)
            if not clicks:
                return Written(0, 0)
            if self._expect_replays:
                return await self._insert_staged(clicks, rows)
            return await self._copy_straight(clicks, rows)

    async def _copy_straight(self, clicks: Sequence[PendingClick], rows: bytes) -> Written:
        await self._copy(CLICKS, rows)
        self._on_step("copied")
        link_ids, *counts = zip(*tally(clicks), strict=True)
        await self._connection.execute(_ROLL_UP_TALLY, [UUID(each) for each in link_ids], *counts)
        self._on_step("rolled_up")
        return Written(len(clicks), 0)

    async def _insert_staged(self, clicks: Sequence[PendingClick], rows: bytes) -> Written:
        await self._connection.execute(_STAGE)
        await self._copy(_STAGED, rows)
        self._on_step("copied")
        inserted: int = await self._connection.fetchval(_INSERT_STAGED)
        self._on_step("rolled_up")
        return Written(inserted, len(clicks) - inserted)

    async def _copy(self, table: str, rows: bytes) -> None:
        await self._connection.copy_to_table(
            table, source=_whole(rows), columns=CLICK_COLUMNS, format="binary", timeout=STATEMENT_SECONDS
        )


def _days(clicks: Sequence[PendingClick]) -> set[int]:
    # In order of their ids, so when both ends are of one day, all are.
    if clicks and clicks[0].day == clicks[-1].day:
        return {clicks[0].day}
    return {each.day for each in clicks}


async def _whole(rows: bytes) -> AsyncIterator[bytes]:
    yield rows
