"""Visitor hashes: stable within a day, unlinkable across days, links and secrets."""

import pytest

from edge.visitors import VisitorHashes, visitor_network

SECRET = b"a secret of thirty-two characters"
LINK, OTHER_LINK = b"L" * 16, b"M" * 16
ALICE, BOB = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])


@pytest.fixture
def subject() -> VisitorHashes:
    return VisitorHashes(SECRET)


def test_a_visitor_is_the_same_on_every_link_of_a_day(subject: VisitorHashes) -> None:
    """The visitor hash does not depend on the link, the dedupe marks do."""
    here, there = subject.marks(LINK, ALICE, 20_000), subject.marks(OTHER_LINK, ALICE, 20_000)
    assert here.visitor == there.visitor
    assert (here.bucket_today, here.field_today) != (there.bucket_today, there.field_today)


def test_a_visitor_alone_is_as_in_its_marks(subject: VisitorHashes) -> None:
    """Whatever day was asked for before."""
    for day in (20_000, 20_001, 20_000):
        assert subject.visitor(ALICE, day) == subject.marks(LINK, ALICE, day).visitor


def test_sizes_fit_the_stream_and_the_buckets(subject: VisitorHashes) -> None:
    """A visitor has 8 bytes, a mark a 16-bit bucket and a 7-byte field."""
    marks = subject.marks(LINK, ALICE, 20_000)
    assert len(marks.visitor) == 8
    assert 0 <= marks.bucket_today <= 65_535
    assert 0 <= marks.bucket_yesterday <= 65_535
    assert len(marks.field_today) == len(marks.field_yesterday) == 7


def test_yesterdays_mark_is_where_it_was_made_yesterday(subject: VisitorHashes) -> None:
    """Rotation of the key does not split a window: today's look at yesterday finds yesterday's entry."""
    yesterday = subject.marks(LINK, ALICE, 20_000)
    today = subject.marks(LINK, ALICE, 20_001)
    assert (today.bucket_yesterday, today.field_yesterday) == (yesterday.bucket_today, yesterday.field_today)


def test_another_day_another_hash(subject: VisitorHashes) -> None:
    """A visitor cannot be followed from one day to the next by the stored hash."""
    first, second = subject.marks(LINK, ALICE, 20_000), subject.marks(LINK, ALICE, 20_001)
    assert first.visitor != second.visitor
    assert first.field_today != second.field_today


def test_going_back_a_day_gives_the_same_hashes_again(subject: VisitorHashes) -> None:
    """Redis may correct the day backwards; the keys follow."""
    before = subject.marks(LINK, ALICE, 20_000)
    subject.marks(LINK, ALICE, 20_001)
    assert subject.marks(LINK, ALICE, 20_000) == before


def test_visitors_and_secrets_differ(subject: VisitorHashes) -> None:
    """Another address or another secret gives another hash."""
    alice = subject.marks(LINK, ALICE, 20_000)
    assert alice.visitor != subject.marks(LINK, BOB, 20_000).visitor
    assert alice.visitor != VisitorHashes(SECRET[::-1]).marks(LINK, ALICE, 20_000).visitor


def test_an_ipv6_household_is_one_visitor() -> None:
    """IPv6 counts by /64, IPv4 whole."""
    network = bytes.fromhex("20010db800000001")
    assert visitor_network(network + bytes(8)) == visitor_network(network + b"\xff" * 8) == network
    assert visitor_network(ALICE) == ALICE
