"""The parts of PostgreSQL's binary COPY format from which rows are packed. Sending them is for `writer`.

Format: https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format". Packing a row here costs a
third of what asyncpg needs to encode it from a tuple, and the bytes serve again when a batch is replayed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"
NULL: Final = b"\xff\xff\xff\xff"

# PostgreSQL counts microseconds from 2000-01-01.
_POSTGRES_EPOCH_MS: Final = 946_684_800_000
_COUNTRY_BYTES: Final = 2
_JSONB_VERSION: Final = b"\x01"

_pack_length = struct.Struct(">i").pack


def whole(rows: Iterable[bytes]) -> bytes:
    """Rows as one COPY."""
    return b"".join([HEADER, *rows, TRAILER])


def instant(unix_ms: int) -> int:
    """A timestamptz as the 8 bytes hold it."""
    return (unix_ms - _POSTGRES_EPOCH_MS) * 1000


def country_bytes(country: str) -> bytes:
    """Two letters; raises ValueError for anything else."""
    letters = country.encode()
    if len(letters) != _COUNTRY_BYTES:
        raise ValueError(f"country {country!r} is not two letters")
    return letters


def packed_text(value: str | None) -> bytes:
    """A text or NULL behind its length; raises ValueError for text that has no UTF-8."""
    if value is None:
        return NULL
    text = value.encode()
    return _pack_length(len(text)) + text


# What repeats is packed once: few combinations make most of the traffic.
@lru_cache(maxsize=16_384)
def packed_texts(*values: str | None) -> bytes:
    """Texts of columns side by side. For short values, which the cache may keep."""
    return b"".join([packed_text(value) for value in values])


def packed_json(text: bytes | None) -> bytes:
    """A jsonb from its text, which PostgreSQL checks, or NULL."""
    if text is None:
        return NULL
    return _pack_length(len(text) + 1) + _JSONB_VERSION + text
