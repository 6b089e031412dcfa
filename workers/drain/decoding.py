"""Stream entries into rows ready to store, and the verdict on those that are none. No I/O lives here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Final, Generic

import msgspec

from millrace.streams.keys import RECORD_FIELD
from millrace.streams.records import MalformedRecord, UnknownVersion
from workers.drain.dead_letters import DeadLetter, DeathReason
from workers.drain.rows import Bounds, Counted, Fact, PendingRow, Refusal, StreamKind
from workers.drain.stream import Entry

_FIELD: Final = RECORD_FIELD.encode()


class DecodedBatch(msgspec.Struct, Generic[Fact, Counted]):
    """What a read gave: rows in order of their ids, and what can never be a row.

    `finished`: the entries of which all that there is became one or the other. Those of an unknown version
    are left pending.
    """

    rows: list[PendingRow[Fact, Counted]]
    dead_letters: list[DeadLetter]
    finished: list[bytes]
    unknown_versions: int = 0


def decode_entries(
    kind: StreamKind[Fact, Counted], stream: str, entries: Iterable[Entry], now_ms: int
) -> DecodedBatch[Fact, Counted]:
    """Judge every entry, and each fact in it, on its own. `now_ms` bounds the dates that are accepted."""
    batch: DecodedBatch[Fact, Counted] = DecodedBatch([], [], [])
    bounds = Bounds.at(now_ms, kind.retention_ms)
    for entry_id, fields in entries:
        try:
            _decode_entry(kind, stream, entry_id, fields, bounds, batch)
        except UnknownVersion:
            batch.unknown_versions += 1
            continue
        batch.finished.append(entry_id)
    # One order for all drains: two that write the same rows wait for each other instead of dead-locking.
    # Among equals the first of the stream stays first.
    batch.rows.sort(key=attrgetter("row_id"))
    return batch


def _decode_entry(  # noqa: PLR0917 - the state of one loop
    kind: StreamKind[Fact, Counted],
    stream: str,
    entry_id: bytes,
    fields: Sequence[bytes] | None,
    bounds: Bounds,
    batch: DecodedBatch[Fact, Counted],
) -> None:
    if fields is None:
        return  # deleted while pending: nothing to store, only to acknowledge
    if len(fields) != 2 or fields[0] != _FIELD:
        refusal = Refusal(DeathReason.MALFORMED, "the entry has other fields than one record")
        batch.dead_letters.append(_letter(stream, entry_id, 0, refusal, b"\n".join(fields)))
        return
    record = fields[1]
    try:
        facts = kind.decode(record)
    except MalformedRecord as error:
        refusal = Refusal(DeathReason.MALFORMED, str(error))
        batch.dead_letters.append(_letter(stream, entry_id, 0, refusal, record))
        return
    for position, fact in enumerate(facts):
        died = kind.refusal(fact, bounds)
        if died is None:
            try:
                batch.rows.append(kind.pending(fact, len(batch.rows), entry_id, position, record))
                continue
            except ValueError as error:
                died = Refusal(DeathReason.MALFORMED, str(error))
        alone = kind.record_alone(fact, record)
        batch.dead_letters.append(_letter(stream, entry_id, position, died, alone))


def _letter(stream: str, entry_id: bytes, position: int, died: Refusal, record: bytes) -> DeadLetter:
    return DeadLetter(stream, entry_id.decode(), position, died.reason, died.detail, record)
