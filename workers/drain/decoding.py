"""Stream entries into clicks ready to store, and the verdict on those that are none. No I/O lives here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Final

import msgspec

from millrace.streams.ids import id_time_ms
from millrace.streams.keys import RECORD_FIELD
from millrace.streams.records import Click, MalformedRecord, UnknownVersion, decode_click
from workers.drain.copy_format import copy_row
from workers.drain.dead_letters import DeadLetter, DeathReason

DAY_MS: Final = 86_400_000
RETENTION_MS: Final = 90 * DAY_MS
# Clocks differ by seconds. A day ahead is no clock, and would make partitions for days that never come.
AHEAD_MS: Final = DAY_MS

_FIELD: Final = RECORD_FIELD.encode()

# As XREADGROUP gives them: id, then names and values in turn, or None when the entry is gone from the stream.
Entry = tuple[bytes, Sequence[bytes] | None]


class PendingClick(msgspec.Struct, frozen=True, gc=False):
    """A click on its way: its place in the stream, the record as read, and the row it becomes."""

    entry_id: bytes
    record: bytes
    click: Click
    row: bytes
    click_id: bytes

    @property
    def day(self) -> int:
        """The UTC day inside the click id, counted from 1970."""
        return id_time_ms(self.click_id) // DAY_MS


class DecodedBatch(msgspec.Struct):
    """What a read gave: clicks in order of their ids, records that can never be stored, ids left pending."""

    clicks: list[PendingClick]
    dead_letters: list[DeadLetter]
    unknown_versions: list[bytes]


def decode_entries(stream: str, entries: Iterable[Entry], now_ms: int) -> DecodedBatch:
    """Judge every entry on its own. `now_ms` bounds the dates that are accepted."""
    clicks: list[PendingClick] = []
    batch = DecodedBatch(clicks, [], [])
    oldest_ms, newest_ms = now_ms - RETENTION_MS, now_ms + AHEAD_MS
    # Ids begin with their time, so comparing bytes compares times.
    oldest_id, newest_id = oldest_ms.to_bytes(6, "big"), (newest_ms + 1).to_bytes(6, "big")
    for entry_id, fields in entries:
        if fields is None:
            continue  # deleted while pending: nothing to store, only to acknowledge
        if len(fields) != 2 or fields[0] != _FIELD:
            detail = "the entry has other fields than one record"
            batch.dead_letters.append(
                DeadLetter(stream, entry_id.decode(), DeathReason.MALFORMED, detail, b"\n".join(fields))
            )
            continue
        record = fields[1]
        try:
            click = decode_click(record)
            if not (oldest_id <= click.click_id < newest_id and oldest_ms <= click.at_ms <= newest_ms):
                batch.dead_letters.append(_misdated(stream, entry_id, record, click, newest_ms))
                continue
            clicks.append(PendingClick(entry_id, record, click, copy_row(click), click.click_id))
        except UnknownVersion:
            batch.unknown_versions.append(entry_id)
        except (MalformedRecord, ValueError) as error:
            batch.dead_letters.append(
                DeadLetter(stream, entry_id.decode(), DeathReason.MALFORMED, str(error), record)
            )
    # One order for all drains: two that write the same clicks wait for each other instead of dead-locking.
    clicks.sort(key=attrgetter("click_id"))
    return batch


def _misdated(stream: str, entry_id: bytes, record: bytes, click: Click, newest_ms: int) -> DeadLetter:
    in_future = max(id_time_ms(click.click_id), click.at_ms) > newest_ms
    reason = DeathReason.DATED_IN_THE_FUTURE if in_future else DeathReason.OLDER_THAN_RETENTION
    detail = f"click id of {id_time_ms(click.click_id)} ms, clicked at {click.at_ms} ms"
    return DeadLetter(stream, entry_id.decode(), reason, detail, record)
