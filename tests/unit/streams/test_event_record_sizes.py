"""How pieces are shared out over records, and how many of them are read."""

from contextlib import nullcontext

import pytest

from millrace.streams.event_records import (
    MAX_PIECES,
    MAX_RECORD_BYTES,
    StreamEvent,
    decode_events,
    encode_piece,
    join_record,
    join_records,
    record_head,
)
from millrace.streams.ids import id_bytes_at
from millrace.streams.records import MalformedRecord

HEAD = b"h" * 20


@pytest.mark.parametrize(
    ("sizes", "counts"),
    [
        ([], []),
        ([10], [1]),
        ([10] * MAX_PIECES, [MAX_PIECES]),
        ([10] * (MAX_PIECES + 1), [MAX_PIECES, 1]),
        ([10] * 500, [100] * 5),
        ([MAX_RECORD_BYTES - 23], [1]),
        ([MAX_RECORD_BYTES - 24, 1], [2]),
        ([MAX_RECORD_BYTES - 24, 2], [1, 1]),
        ([MAX_RECORD_BYTES + 1, 1, 1], [1, 2]),
        ([1, MAX_RECORD_BYTES], [1, 1]),
    ],
)
def test_records_are_as_full_as_they_may_be(sizes: list[int], counts: list[int]) -> None:
    """In number and in bytes; a piece that is larger by itself stands alone."""
    pieces = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    records = join_records(HEAD, pieces)
    assert [int.from_bytes(record[21:23], "big") for record in records] == counts
    assert b"".join(record[23:] for record in records) == b"".join(pieces)
    assert all(record.startswith(HEAD + b"\xdc") for record in records)


@pytest.mark.parametrize(("pieces", "is_read"), [(MAX_PIECES, True), (MAX_PIECES + 1, False)])
def test_record_of_more_pieces_than_any_door_writes_is_malformed(pieces: int, is_read: bool) -> None:
    """It becomes one dead letter; each of its pieces would be one otherwise, in places without a number."""
    now_ms = 1_795_450_000_000
    piece = encode_piece(_event_at(now_ms), 0)
    record = join_record(record_head(id_bytes_at(now_ms)), [piece] * pieces)
    with nullcontext() if is_read else pytest.raises(MalformedRecord):
        assert len(decode_events(record)) == pieces


def _event_at(at_ms: int) -> StreamEvent:
    return StreamEvent(
        event_id=id_bytes_at(at_ms),
        client_id=None,
        type="page_view",
        session_id="s",
        user_id=None,
        product_id=None,
        url=None,
        referrer=None,
        metadata=None,
        occurred_ms=at_ms,
        received_ms=at_ms,
        clamped=False,
        human=True,
        device="mobile",
        country="NO",
    )
