"""How pieces are shared out over records."""

import pytest

from millrace.streams.event_records import MAX_PIECES, MAX_RECORD_BYTES, join_records

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
