from __future__ import annotations

import msgspec
import pytest

from millrace.streams.ids import id_bytes_at
from millrace.streams.records import Click, encode_click
from server.db.day_partitions import DAY_MS
from workers.drain.click_kind import ClickKind
from workers.drain.dead_letters import DeathReason
from workers.drain.decoding import DecodedBatch
from workers.drain.decoding import decode_entries as decode_any
from workers.drain.stream import Entry

NOW_MS = 20_780 * DAY_MS + 43_200_000


def decode_entries(stream: str, entries: list[Entry], now_ms: int) -> DecodedBatch[Click, Click]:
    return decode_any(ClickKind(), stream, entries, now_ms)


def click(at_ms: int = NOW_MS, *, id_ms: int | None = None) -> Click:
    return Click(
        click_id=id_bytes_at(at_ms if id_ms is None else id_ms),
        link_id=bytes(16),
        partner_id=bytes(16),
        product_id=None,
        at_ms=at_ms,
        human=True,
        unique=False,
        visitor=bytes(8),
        device="desktop",
        referrer_host=None,
        country="SE",
    )


def entry(record: bytes, entry_id: bytes = b"1-0") -> Entry:
    return entry_id, [b"r", record]


def test_order_of_ids() -> None:
    """Clicks come out in order of their ids, whatever the order of the stream."""
    made = [click(NOW_MS - after) for after in (5, 900, 1, 70)]
    batch = decode_entries("s", [entry(encode_click(each)) for each in made], NOW_MS)
    assert [each.row_id for each in batch.rows] == sorted(each.click_id for each in made)


@pytest.mark.parametrize(
    ("at_ms", "id_ms", "reason"),
    [
        (NOW_MS + DAY_MS, NOW_MS, None),
        (NOW_MS - 90 * DAY_MS, NOW_MS, None),
        (NOW_MS + DAY_MS + 1, NOW_MS, DeathReason.DATED_IN_THE_FUTURE),
        (NOW_MS, NOW_MS + DAY_MS + 1, DeathReason.DATED_IN_THE_FUTURE),
        (NOW_MS - 90 * DAY_MS - 1, NOW_MS, DeathReason.OLDER_THAN_RETENTION),
        (NOW_MS, NOW_MS - 90 * DAY_MS - 1, DeathReason.OLDER_THAN_RETENTION),
        (NOW_MS, 0, DeathReason.OLDER_THAN_RETENTION),
        (2**63, NOW_MS, DeathReason.DATED_IN_THE_FUTURE),
        (-1, NOW_MS, DeathReason.OLDER_THAN_RETENTION),
    ],
)
def test_dates(at_ms: int, id_ms: int, reason: DeathReason | None) -> None:
    """Both times of a click, its own and its id's, must lie between retention and a day ahead."""
    batch = decode_entries("s", [entry(encode_click(click(at_ms, id_ms=id_ms)))], NOW_MS)
    assert [letter.reason for letter in batch.dead_letters] == ([reason] if reason else [])
    assert len(batch.rows) == (0 if reason else 1)


@pytest.mark.parametrize(
    "fields",
    [
        [b"r", b""],
        [b"r", b"\x01"],
        [b"r", b"\x01\x01\xff\xff"],
        [b"r", b"\x00\x01abc"],
        [b"other", b"x"],
        [b"r", b"x", b"more", b"y"],
        [b"r", encode_click(msgspec.structs.replace(click(), country="ßß"))],
    ],
)
def test_malformed(fields: list[bytes]) -> None:
    """What is no record is a dead letter that keeps the bytes, and names its entry."""
    batch = decode_entries("s", [(b"7-1", fields)], NOW_MS)
    (letter,) = batch.dead_letters
    assert (letter.stream, letter.entry_id, letter.reason) == ("s", "7-1", DeathReason.MALFORMED)
    assert fields[1] in letter.record
    assert not batch.rows
    assert not batch.unknown_versions


def test_unknown_version_and_deleted_entry() -> None:
    """A later version is only named; an entry whose body is gone is nothing at all."""
    batch = decode_entries("s", [entry(b"\x63\x01abc", b"8-0"), (b"9-0", None)], NOW_MS)
    assert (batch.unknown_versions, batch.finished) == (1, [b"9-0"])
    assert not batch.rows
    assert not batch.dead_letters
