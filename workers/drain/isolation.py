"""Setting apart the rows that PostgreSQL refuses, so that the rest of their batch goes on."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from workers.drain.dead_letters import DeadLetter, DeathReason
from workers.drain.rows import Counted, Fact, PendingRow
from workers.drain.writer import RowWriter, Written
from workers.retries import refuses_values


async def write_isolating(
    writer: RowWriter[Fact, Counted],
    stream: str,
    rows: Sequence[PendingRow[Fact, Counted]],
    dead_letters: Sequence[DeadLetter],
) -> tuple[Written, list[DeadLetter]]:
    """Write a batch, halving it until each refused row stands alone and is buried with PostgreSQL's reason.

    Returns what was written and all dead letters, old and new. Halves commit one by one; when a later one
    fails for want of a connection, repeating the whole batch is safe. Raises only what is not about the rows.
    """
    try:
        return await writer.write(rows, dead_letters), list(dead_letters)
    except asyncpg.PostgresError as error:
        if not rows or not refuses_values(error):
            raise
        refusal = error
    if len(rows) == 1:
        letters = [*dead_letters, _refused(writer, stream, rows[0], refusal)]
        return await writer.write([], letters), letters
    middle = len(rows) // 2
    first, buried = await write_isolating(writer, stream, rows[:middle], dead_letters)
    second, more = await write_isolating(writer, stream, rows[middle:], [])
    return first.plus(second), buried + more


def _refused(
    writer: RowWriter[Fact, Counted],
    stream: str,
    pending: PendingRow[Fact, Counted],
    refusal: asyncpg.PostgresError,
) -> DeadLetter:
    record = writer.kind.record_alone(pending.fact, pending.record)
    detail = f"{refusal.sqlstate} {refusal}"
    return DeadLetter(
        stream,
        pending.entry_id.decode(),
        pending.position,
        DeathReason.REFUSED_BY_POSTGRES,
        detail,
        record,
    )
