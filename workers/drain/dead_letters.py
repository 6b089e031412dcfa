"""Records that can never become rows: why, and how they are kept. `decoding` and `isolation` decide which."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from server.streams.dead_letter_columns import STREAM_DEAD_LETTERS

_DETAIL_MAX_CHARACTERS: Final = 500

# A record that is read again after a crash finds its letter already there.
_INSERT: Final = f"""
    INSERT INTO {STREAM_DEAD_LETTERS} (stream, entry_id, position, reason, detail, record)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
"""  # noqa: S608 - a constant of ours


class DeathReason(StrEnum):
    """Why a record can never become a row."""

    MALFORMED = "malformed"
    DATED_IN_THE_FUTURE = "dated_in_the_future"
    OLDER_THAN_RETENTION = "older_than_retention"
    REFUSED_BY_POSTGRES = "refused_by_postgres"


class DeadLetter(msgspec.Struct, frozen=True):
    """A record, whole, with its place in the stream and the reason.

    Of an entry that holds many facts each can die alone: then `position` tells which it was, and `record`
    holds that one and nothing else.
    """

    stream: str
    entry_id: str
    position: int
    reason: DeathReason
    detail: str
    record: bytes


async def bury(connection: Any, letters: Sequence[DeadLetter]) -> None:
    """Keep the letters within the caller's transaction; those already kept stay as they are."""
    if not letters:
        return
    await connection.executemany(
        _INSERT,
        [
            (
                each.stream,
                each.entry_id,
                each.position,
                each.reason.value,
                _plain(each.detail),
                each.record,
            )
            for each in letters
        ],
    )


def _plain(detail: str) -> str:
    # A message may quote the very characters that PostgreSQL refused.
    text = detail[:_DETAIL_MAX_CHARACTERS].replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return text.encode("utf-8", "replace").decode()
