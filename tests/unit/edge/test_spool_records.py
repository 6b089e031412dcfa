"""What is found in a segment's bytes, whatever became of them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.spool.records import (
    HEADER_BYTES,
    MAGIC,
    MAX_PAYLOAD_BYTES,
    Damage,
    UnknownFormat,
    header,
    new_marker,
    record,
    scan,
)

MARKER = b"\xa1\x07\x5e\xf0"
PAYLOADS = [b"first", b"\0" * 3, MARKER + b"looks like a record", b"x" * 70, b"last"]

payloads = st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=6)


def segment(*contents: bytes) -> bytes:
    return header(MARKER) + b"".join(record(MARKER, each) for each in contents)


def found(content: bytes) -> list[bytes]:
    return [each for each in scan(content) if isinstance(each, bytes)]


def torn(content: bytes) -> list[Damage]:
    return [each for each in scan(content) if isinstance(each, Damage)]


def test_whole_segments_give_back_what_was_put_in() -> None:
    """In order, and without a complaint."""
    assert list(scan(segment(*PAYLOADS))) == PAYLOADS
    assert list(scan(segment())) == []
    assert list(scan(b"")) == []


def test_torn_at_any_byte_everything_before_the_tear_is_found() -> None:
    """And what is left of the torn record is named, to the byte."""
    whole = segment(*PAYLOADS)
    ends = [len(segment(*PAYLOADS[:count])) for count in range(len(PAYLOADS) + 1)]
    for length in range(len(whole)):
        cut = whole[:length]
        complete = sum(end <= length for end in ends[1:])
        assert found(cut) == PAYLOADS[:complete]
        last_end = ends[complete] if length >= HEADER_BYTES else 0
        assert torn(cut) == ([Damage(last_end, length)] if length > last_end else [])


def test_any_flipped_bit_costs_its_own_record_at_most() -> None:
    """A wrong header costs none, unless it is the version's: that may be a newer one's file."""
    whole = segment(*PAYLOADS)
    ends = [len(segment(*PAYLOADS[:count])) for count in range(len(PAYLOADS) + 1)]
    for place in range(len(whole)):
        for bit in range(8):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << bit
            if place == len(MAGIC):
                with pytest.raises(UnknownFormat):
                    found(bytes(flipped))
                continue
            hit = sum(end <= place for end in ends)
            rest = PAYLOADS if hit == 0 else PAYLOADS[: hit - 1] + PAYLOADS[hit:]
            assert found(bytes(flipped)) == rest, (place, bit)
            assert len(torn(bytes(flipped))) == 1


def test_zeros_after_the_last_record_are_no_records() -> None:
    """A file system may have grown the file and lost what was written to it."""
    whole = segment(*PAYLOADS)
    assert found(whole + bytes(4096)) == PAYLOADS
    assert torn(whole + bytes(4096)) == [Damage(len(whole), len(whole) + 4096)]


def test_no_payload_can_pass_for_a_record() -> None:
    """One that holds a whole record of another segment is no record, not even where its own is damaged."""
    forged = record(new_marker(), b"forged")
    whole = bytearray(segment(b"a" * 20 + forged, b"true"))
    whole[HEADER_BYTES + 15] ^= 1
    assert found(bytes(whole)) == [b"true"]


@pytest.mark.parametrize("payload", [b"", bytes(MAX_PAYLOAD_BYTES + 1)])
def test_records_have_a_size(payload: bytes) -> None:
    """Nothing at all and too much are refused when they are written, not when they are read."""
    with pytest.raises(ValueError, match="spooled call"):
        record(MARKER, payload)


@settings(max_examples=150, deadline=None)
@given(payloads, st.data())
def test_what_is_overwritten_costs_only_what_it_touches(contents: list[bytes], data: st.DataObject) -> None:
    """Any stretch of other bytes: records that it does not touch are found, in order, and nothing else."""
    whole = segment(*contents)
    start = data.draw(st.integers(HEADER_BYTES, len(whole) - 1))
    length = data.draw(st.integers(1, len(whole) - start))
    garbage = data.draw(st.binary(min_size=length, max_size=length))
    ends = [len(segment(*contents[:count])) for count in range(len(contents) + 1)]
    damaged = whole[:start] + garbage + whole[start + length :]
    # The garbage may happen to be what was there.
    assert found(damaged) == [
        content
        for content, begin, end in zip(contents, ends, ends[1:], strict=False)
        if damaged[begin:end] == whole[begin:end]
    ]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_bytes_of_any_kind_are_read_without_an_error(content: bytes) -> None:
    """Nothing is found in noise, and nothing is raised; all of it is accounted for."""
    assert found(header(MARKER) + content) == []
    assert sum(end - start for start, end in torn(header(MARKER) + content)) == len(content)
    if not content.startswith(MAGIC):
        assert found(content) == []
