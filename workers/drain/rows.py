"""What a kind of stream has to say for itself, and a row on its way from its stream into its table.

Reading, writing and repeating are the same for all kinds; `clicks` and `events` are the kinds there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from millrace.streams.ids import id_time_ms
from server.db.day_partitions import DAY_MS
from workers.drain.dead_letters import DeathReason

Fact = TypeVar("Fact")
Counted = TypeVar("Counted")

# Clocks differ by seconds. A day ahead is no clock, and would make partitions for days that never come.
AHEAD_MS: Final = DAY_MS


class PendingRow(msgspec.Struct, Generic[Fact, Counted], frozen=True, gc=False):
    """A row on its way. It came as the `position`th of its entry and the `place`th of its batch.

    `row_id`: its key, a UUIDv7. `day`: the UTC day, counted from 1970, in whose rollups it counts. `row`: the
    bytes for COPY. `counted`: what rollups need of it. `record`: the entry's record, whole; empty for a row
    that never was in a stream.
    """

    row_id: bytes
    day: int
    row: bytes
    fact: Fact
    counted: Counted
    place: int = 0
    entry_id: bytes = b""
    position: int = 0
    record: bytes = b""

    @property
    def id_day(self) -> int:
        """The UTC day inside the row's id, whose partition holds it."""
        return id_time_ms(self.row_id) // DAY_MS


class Bounds(NamedTuple):
    """Between which times facts are taken: Unix milliseconds, both ends belong."""

    oldest_ms: int
    newest_ms: int

    @classmethod
    def at(cls, now_ms: int, retention_ms: int) -> Bounds:
        """From retention until a day ahead."""
        return cls(now_ms - retention_ms, now_ms + AHEAD_MS)


class Refusal(NamedTuple):
    """Why a fact is none that can be stored."""

    reason: DeathReason
    detail: str


class StreamKind(Protocol[Fact, Counted]):
    """What becomes of the records of one kind of stream.

    `columns` begin with the key. `entries_per_read` bounds what one command may bring, `rows_per_entry` is
    the guess before anything was read.
    """

    table: str
    columns: tuple[str, ...]
    retention_ms: int
    entries_per_read: int
    rows_per_entry: int

    def decode(self, record: bytes, /) -> Sequence[Fact]:
        """The facts of a record in order; raises UnknownVersion or MalformedRecord."""

    def refusal(self, fact: Fact, bounds: Bounds, /) -> Refusal | None:
        """Why the fact's dates forbid to store it; None when they do not."""

    def pending(
        self, fact: Fact, /, place: int = 0, entry_id: bytes = b"", position: int = 0, record: bytes = b""
    ) -> PendingRow[Fact, Counted]:
        """The fact as a row; raises ValueError when it can never be one."""

    def record_alone(self, fact: Fact, record: bytes, /) -> bytes:
        """A record with this fact of `record` alone, which `decode` reads as the same fact."""

    async def prepare(self, connection: Any) -> None:
        """Read what the kind needs to know, each time a connection was opened."""

    async def claim(
        self, connection: Any, rows: Sequence[PendingRow[Fact, Counted]]
    ) -> Sequence[PendingRow[Fact, Counted]]:
        """Those of the rows that no other row of the table stands for, whatever their key; order stays."""

    def says_more(self, later: Fact, first: Fact, /) -> bool:
        """Whether a later copy of the same fact is to stand instead of the first one."""

    async def count(
        self,
        connection: Any,
        rows: Sequence[PendingRow[Fact, Counted]],
        repeats: Sequence[PendingRow[Fact, Counted]],
    ) -> None:
        """Add rows that were inserted in this transaction to all that counts them.

        `repeats` were there already; what they say more than the row that stands is taken over.
        """
