"""The clock that Redis corrects."""

from millrace.streams.redis_clock import RedisClock


def test_it_is_our_clock_until_corrected() -> None:
    """Hours count from the epoch."""
    assert RedisClock(lambda: 7_199.0).hour() == 1


def test_being_behind_is_corrected() -> None:
    """Redis is already in the next hour: so are we from now on."""
    now = [7_199.0]
    clock = RedisClock(lambda: now[0])
    clock.correct(2)
    assert clock.hour() == 2
    assert clock.offset_seconds == 1.0
    now[0] += 3600
    assert clock.hour() == 3


def test_being_ahead_is_corrected() -> None:
    """Redis is still in the hour before."""
    clock = RedisClock(lambda: 7_200.0)
    clock.correct(1)
    assert clock.hour() == 1


def test_a_correction_is_forgotten_when_the_clocks_agree_again() -> None:
    """Somebody has set a clock right."""
    clock = RedisClock(lambda: 7_300.0)
    clock.correct(9)
    assert clock.hour() == 9
    clock.correct(2)
    assert clock.offset_seconds == 0.0
