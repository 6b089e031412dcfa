"""Key names: what shares a slot, what does not, and how buckets are shared out."""

import os

import pytest

from millrace.streams.keys import SEEN_BUCKETS, StreamKeys

# Published examples of Redis Cluster's CRC16 and of its slots.
CRC16_OF_123456789 = 0x31C3


def slot(key: bytes) -> int:
    """The cluster slot of a key, from the specification: CRC16/XMODEM of the hash tag, modulo 16,384."""
    opened = key.find(b"{")
    closed = key.find(b"}", opened + 1)
    hashed = key[opened + 1 : closed] if opened >= 0 and closed > opened + 1 else key
    crc = 0
    for byte in hashed:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
    return (crc & 0xFFFF) % 16_384


def test_the_slot_function_of_this_test_is_the_specified_one() -> None:
    """Our own CRC16 agrees with the check value of the Redis Cluster specification."""
    assert slot(b"123456789") == CRC16_OF_123456789 % 16_384


@pytest.mark.parametrize("shards", [1, 7, 16, 100])
def test_all_keys_of_a_click_fall_in_one_slot(shards: int) -> None:
    """Whatever the link, the day and the buckets, the four keys of a call have one slot."""
    subject = StreamKeys(shards=shards)
    for shard in range(shards):
        keys = [
            subject.clicks(shard),
            subject.seen(shard, 20_780, 3),
            subject.seen(shard, 20_779, 65_535),
            subject.live(shard, 498_720),
        ]
        assert len({slot(key) for key in keys}) == 1
        assert len(set(keys)) == 4


def test_sixteen_shards_lie_in_sixteen_slots() -> None:
    """Shards can be moved between cluster nodes independently of each other."""
    subject = StreamKeys(shards=16)
    assert len({slot(subject.clicks(shard)) for shard in range(16)}) == 16


def test_snapshots_of_links_spread_over_slots() -> None:
    """Link keys have no tag, so no node holds all links."""
    subject = StreamKeys()
    assert len({slot(subject.link(f"code{number}")) for number in range(100)}) > 90


def test_the_shard_of_a_link_is_crc16_modulo_shards() -> None:
    """The sharding rule is the documented one, not merely some hash."""
    for _ in range(100):
        link_id = os.urandom(16)
        crc = 0
        for byte in link_id:
            crc ^= byte << 8
            for _ in range(8):
                crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
        assert StreamKeys(shards=16).shard_of(link_id) == (crc & 0xFFFF) % 16


@pytest.mark.parametrize("shards", [1, 3, 16])
def test_the_buckets_of_all_shards_together_stay_within_the_budget(shards: int) -> None:
    """65,536 buckets serve a day however many shards share them."""
    subject = StreamKeys(shards=shards)
    names = {subject.seen(shard, 1, bucket) for shard in range(shards) for bucket in range(65_536)}
    assert SEEN_BUCKETS - shards < len(names) <= SEEN_BUCKETS


@pytest.mark.parametrize("prefix", ["", "a{b", "a b", "ü", "a}b"])
def test_a_prefix_that_would_break_the_hash_tag_is_refused(prefix: str) -> None:
    """Braces in a prefix would become the tag and pull every key into one slot."""
    with pytest.raises(ValueError, match="prefix"):
        StreamKeys(prefix)


@pytest.mark.parametrize("shards", [0, -1, 101])
def test_a_shard_count_that_two_digits_cannot_name_is_refused(shards: int) -> None:
    """The tag has two digits."""
    with pytest.raises(ValueError, match="shards"):
        StreamKeys(shards=shards)
