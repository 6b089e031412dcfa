"""Sums and rates: money by currency, zeros instead of divisions by zero, what an answer may claim."""

from datetime import UTC, datetime, timedelta

import pytest

from server.analytics.figures import (
    Audience,
    Conversions,
    Counts,
    Overview,
    ProductCounts,
    ProductOverview,
    freshness,
    half_even,
    total_conversions,
)
from server.analytics.funnel import steps_of

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


def test_nothing_gives_zeros() -> None:
    """Never NaN, never an error."""
    nothing = Overview(Counts(), Audience(), Conversions())
    assert (nothing.conversion_rate, nothing.average_order_value) == (0.0, {})
    assert ProductOverview(ProductCounts(), Conversions()).ctr == 0.0
    assert [(s.sessions, s.percent_of_previous, s.percent_of_first) for s in steps_of((0, 0, 0))] == [
        (0, 0.0, 0.0)
    ] * 3


def test_confirmed_and_paid_conversions_earn() -> None:
    """Pending ones are counted beside them; reversed, held and rejected ones are not."""
    earned = Conversions()
    for status in ("CONFIRMED", "PAID", "PENDING", "REVERSED", "HELD", "REJECTED"):
        earned.add(status, "EUR", 2, 300, 30)
    assert (earned.earning, earned.pending, earned.revenue, earned.commission) == (
        4, 2, {"EUR": 600}, {"EUR": 60}
    )  # fmt: skip


def test_money_is_summed_by_currency_and_averaged_by_its_own_orders() -> None:
    """Yen do not meet euros."""
    one, other = Conversions(), Conversions()
    one.add("PAID", "EUR", 2, 301, 0)
    other.add("CONFIRMED", "JPY", 1, 5000, 0)
    other.add("CONFIRMED", "EUR", 1, 2, 0)
    both = Overview(Counts(unique_clicks=8), Audience(), total_conversions([one, other]))
    assert both.conversions.revenue == {"EUR": 303, "JPY": 5000}
    assert both.average_order_value == {"EUR": 101, "JPY": 5000}
    assert both.conversion_rate == 50.0


@pytest.mark.parametrize(
    ("amount", "count", "average"), [(5, 2, 2), (7, 2, 4), (1, 3, 0), (2, 3, 1), (2**80 + 1, 2, 2**79)]
)
def test_averages_are_rounded_half_to_even(amount: int, count: int, average: int) -> None:
    """Exactly, also beyond what a double holds."""
    assert half_even(amount, count) == average


def test_steps_are_percent_of_the_step_before_and_of_the_first() -> None:
    """Of 200 views 50 carts, of these 10 purchases."""
    assert [(s.percent_of_previous, s.percent_of_first) for s in steps_of((200, 50, 10))] == [
        (100.0, 100.0), (25.0, 25.0), (20.0, 5.0)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("behind", "end", "complete"),
    [(0, 0, True), (60, 0, False), (60, -60, True), (0, 600, True), (60, 600, False)],
)
def test_a_range_is_complete_when_all_accepted_so_far_is_counted(
    behind: int, end: int, complete: bool
) -> None:
    """A range into the future counts up to now."""
    known = freshness(NOW - timedelta(seconds=behind), NOW + timedelta(seconds=end), NOW)
    assert (known.lag_seconds, known.complete) == (behind, complete)


def test_without_redis_nothing_is_claimed() -> None:
    """Neither how far nor that all is counted."""
    known = freshness(None, NOW, NOW)
    assert (known.as_of, known.lag_seconds, known.complete) == (None, None, False)
