"""Link snapshots: packed and unpacked, compared by version, refused when foreign."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.streams.links import LinkSnapshot, LinkStatus, MalformedSnapshot, pack, unpack

ids = st.binary(min_size=16, max_size=16)
texts = st.text(max_size=300)
snapshots = st.builds(
    LinkSnapshot,
    version=st.integers(0, (1 << 64) - 1),
    status=st.sampled_from(LinkStatus),
    link_id=ids,
    partner_id=ids,
    product_id=st.none() | texts,
    destination=texts,
    fallback_url=st.none() | texts,
    expires_at_ms=st.none() | st.integers(0, 1 << 48),
    forward_query=st.booleans(),
    click_id_parameter=st.none() | texts,
    attribution_window_s=st.integers(0, 1 << 31),
)


@given(snapshots)
def test_a_snapshot_survives_packing(snapshot: LinkSnapshot) -> None:
    """Unpacking gives back what was packed."""
    assert unpack(pack(snapshot)) == snapshot


@given(snapshots, snapshots)
def test_the_first_eight_bytes_order_snapshots_by_version(one: LinkSnapshot, other: LinkSnapshot) -> None:
    """Redis compares versions without decoding."""
    assert (pack(one)[:8] < pack(other)[:8]) == (one.version < other.version)


@given(st.binary(max_size=200))
def test_garbage_is_malformed(packed: bytes) -> None:
    """No bytes raise anything but MalformedSnapshot."""
    with pytest.raises(MalformedSnapshot):
        unpack(packed)


@given(snapshots, st.integers(2, 255))
def test_a_foreign_format_is_malformed(snapshot: LinkSnapshot, layout: int) -> None:
    """A snapshot of another release is not read by guesswork."""
    packed = bytearray(pack(snapshot))
    packed[8] = layout
    with pytest.raises(MalformedSnapshot, match="format"):
        unpack(bytes(packed))
