"""The breaker: closed until a run of failures, then one probe at a time."""

import pytest

from millrace.streams.breaker import Breaker


class Clock:
    """Seconds that pass when told to."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def subject(clock: Clock) -> Breaker:
    return Breaker(threshold=3, probe_every=0.25, now=clock)


def test_failures_below_the_threshold_change_nothing(subject: Breaker) -> None:
    """A hiccup is not an outage."""
    subject.failed()
    subject.failed()
    assert subject.admits()


def test_only_failures_in_a_row_count(subject: Breaker) -> None:
    """A success in between starts the count again."""
    for _ in range(10):
        subject.failed()
        subject.failed()
        subject.succeeded()
    assert not subject.is_open


def test_an_open_breaker_admits_one_probe_per_interval(subject: Breaker, clock: Clock) -> None:
    """Somebody has to find out, but not everybody."""
    for _ in range(3):
        subject.failed()
    assert not subject.admits()
    clock.seconds += 0.25
    assert [subject.admits() for _ in range(5)] == [True, False, False, False, False]
    clock.seconds += 0.25
    assert subject.admits()


def test_a_failed_probe_keeps_it_open_and_a_success_closes_it(subject: Breaker, clock: Clock) -> None:
    """The probe's outcome decides."""
    for _ in range(3):
        subject.failed()
    clock.seconds += 0.25
    assert subject.admits()
    subject.failed()
    assert not subject.admits()
    subject.succeeded()
    assert all(subject.admits() for _ in range(5))
