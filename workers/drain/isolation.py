"""Setting apart the rows that PostgreSQL refuses, so that the rest of their batch goes on."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from workers.drain.dead_letters import DeadLetter, DeathReason
from workers.drain.decoding import PendingClick
from workers.drain.writer import ClickWriter, Written
from workers.retries import refuses_values


async def write_isolating(
    writer: ClickWriter, stream: str, clicks: Sequence[PendingClick], dead_letters: Sequence[DeadLetter]
) -> tuple[Written, list[DeadLetter]]:
    """Write a batch, halving it until each refused row stands alone and is buried with PostgreSQL's reason.

    Returns what was written and all dead letters, old and new. Halves commit one by one; when a later one
    fails for want of a connection, repeating the whole batch is safe. Raises only what is not about the rows.
    """
    try:
        return await writer.write(clicks, dead_letters), list(dead_letters)
    except asyncpg.PostgresError as error:
        if not clicks or not refuses_values(error):
            raise
        refusal = error
    if len(clicks) == 1:
        letters = [*dead_letters, _refused(stream, clicks[0], refusal)]
        return await writer.write([], letters), letters
    middle = len(clicks) // 2
    first, buried = await write_isolating(writer, stream, clicks[:middle], dead_letters)
    second, more = await write_isolating(writer, stream, clicks[middle:], [])
    return first.plus(second), buried + more


def _refused(stream: str, pending: PendingClick, refusal: asyncpg.PostgresError) -> DeadLetter:
    detail = f"{refusal.sqlstate} {refusal}"
    return DeadLetter(
        stream, pending.entry_id.decode(), DeathReason.REFUSED_BY_POSTGRES, detail, pending.record
    )
