"""Turns of lanes by weight."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from server.jobs.queues import Queue
from workers.lanes import Lanes


@pytest.fixture
def subject() -> Lanes:
    return Lanes([Queue("critical", 8, 4), Queue("default", 4, 4), Queue("bulk", 1, 4)])


def turns(lanes: Lanes, count: int) -> list[str]:
    chosen = [lanes.next() for _ in range(count)]
    return [lane.queue.name for lane in chosen if lane is not None]


def test_shares(subject: Lanes) -> None:
    """With work everywhere, turns are shared in proportion to the weights."""
    subject.wake_all()
    assert Counter(turns(subject, 130)) == {"critical": 80, "default": 40, "bulk": 10}


def test_spread(subject: Lanes) -> None:
    """The turns of a light lane come at even distances, not in a row."""
    subject.wake_all()
    bulk = [number for number, name in enumerate(turns(subject, 52)) if name == "bulk"]
    assert {later - earlier for earlier, later in itertools.pairwise(bulk)} == {13}


def test_no_work(subject: Lanes) -> None:
    """Lanes without work or without a free slot have no turn."""
    assert subject.next() is None
    subject.wake("bulk")
    assert turns(subject, 3) == ["bulk"] * 3
    subject["bulk"].running = 4
    assert subject.next() is None


def test_nothing_saved_up(subject: Lanes) -> None:
    """A lane that had no work for long does not push the others aside when it gets some."""
    subject.wake("bulk")
    turns(subject, 100)
    subject.wake_all()
    assert Counter(turns(subject, 13)) == {"critical": 8, "default": 4, "bulk": 1}


def test_listening(subject: Lanes) -> None:
    """Wake-ups are of interest for lanes with room that know of no work yet."""
    subject.wake("critical")
    subject["default"].running = 4
    assert subject.listening() == ["bulk"]
