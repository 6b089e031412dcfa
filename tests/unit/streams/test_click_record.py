"""Click records: what goes in comes out; everything else is refused with one of two errors."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.streams.records import (
    VERSION,
    Click,
    MalformedRecord,
    UnknownVersion,
    decode_click,
    encode_click,
)

ids = st.binary(min_size=16, max_size=16)
clicks = st.builds(
    Click,
    click_id=ids,
    link_id=ids,
    partner_id=ids,
    product_id=st.none() | st.text(min_size=1, max_size=128),
    at_ms=st.integers(0, 1 << 48),
    human=st.booleans(),
    unique=st.booleans(),
    visitor=st.binary(min_size=8, max_size=8),
    device=st.sampled_from(["desktop", "mobile", "tablet", "bot", "other"]),
    referrer_host=st.none() | st.text(max_size=253),
    country=st.sampled_from(["DE", "ZZ"]),
)


@given(clicks)
def test_a_click_survives_its_record(click: Click) -> None:
    """Decoding gives back what was encoded."""
    assert decode_click(encode_click(click)) == click


@given(clicks)
def test_flags_stand_in_the_second_byte(click: Click) -> None:
    """The envelope is what functions.lua relies on."""
    record = encode_click(click)
    assert record[0] == VERSION
    assert record[1] == click.human | click.unique << 1


@given(st.binary(max_size=200))
def test_garbage_is_malformed_or_of_an_unknown_version(record: bytes) -> None:
    """No bytes raise anything but the two errors a drain knows how to treat."""
    with pytest.raises((MalformedRecord, UnknownVersion)):
        decode_click(record)


@given(clicks, st.data())
def test_a_damaged_record_never_raises_anything_else(click: Click, data: st.DataObject) -> None:
    """One changed byte may make another click, but never another exception."""
    record = bytearray(encode_click(click))
    place = data.draw(st.integers(0, len(record) - 1))
    record[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MalformedRecord, UnknownVersion):
        decode_click(bytes(record))


@given(clicks, st.integers(0, 400))
def test_a_cut_record_is_malformed(click: Click, kept: int) -> None:
    """A record without its end is not a click."""
    record = encode_click(click)
    with pytest.raises(MalformedRecord):
        decode_click(record[: min(kept, len(record) - 1)])


@pytest.mark.parametrize("version", [2, 200, 255])
def test_a_newer_version_is_told_apart_from_garbage(version: int) -> None:
    """A newer record must stay pending, so it has an error of its own that names the version."""
    with pytest.raises(UnknownVersion) as caught:
        decode_click(bytes([version]) + b"\x00anything")
    assert caught.value.version == version


@pytest.mark.parametrize("items", [8, 10])
def test_a_body_with_other_fields_is_malformed(items: int) -> None:
    """Fields are never dropped or made up in silence."""
    body = [b"i" * 16, b"l" * 16, b"p" * 16, None, 1, b"v" * 8, "desktop", None, "DE", "more"][:items]
    with pytest.raises(MalformedRecord):
        decode_click(b"\x01\x00" + msgspec.msgpack.encode(body))


def test_reserved_flags_are_malformed() -> None:
    """A flag nobody defined belongs to a version nobody defined."""
    with pytest.raises(MalformedRecord, match="flags"):
        decode_click(b"\x01\x04\x99")


def test_nesting_bombs_are_malformed() -> None:
    """Deep nesting ends as a verdict, not as a RecursionError."""
    with pytest.raises(MalformedRecord):
        decode_click(b"\x01\x00\x99" + b"\x91" * 100_000)
