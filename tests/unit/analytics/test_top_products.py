"""Who can be among the products viewed most, told from the leaders of each day."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from server.analytics.top_products import contenders

DEEP = 3


def leaders(day: dict[str, int]) -> list[tuple[str, int]]:
    """Most first."""
    return sorted(day.items(), key=lambda each: -each[1])[:DEEP]


def test_leaders_of_every_day_are_told_from_few() -> None:
    """Others had at most as many views as the last leader of each day, which is too few."""
    day = {"a": 90, "b": 80, "c": 3, "d": 2}
    assert contenders([leaders(day), leaders(day)], 2, DEEP) == ["a", "b"]


def test_equals_cannot_be_told_from_few() -> None:
    """Any product may be ahead of those seen."""
    assert contenders([[("a", 5), ("b", 5), ("c", 5)]] * 2, 2, DEEP) is None


def test_a_product_that_led_once_may_still_lead_all() -> None:
    """It had views on the other day too, as many as the last of its leaders at most."""
    days = [[("a", 90), ("b", 80), ("c", 1)], [("a", 90), ("d", 79), ("e", 2)]]
    assert contenders(days, 2, DEEP) == ["a", "b", "d"]


@given(
    st.lists(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 9)), max_size=4), st.integers(1, 4)
)
def test_those_viewed_most_are_always_among_them(days: list[dict[str, int]], most: int) -> None:
    """Whatever the days were, with ties by id."""
    sums: Counter[str] = Counter()
    for day in days:
        for product, views in day.items():
            sums[product] += views
    ranked = sorted(sums, key=lambda product: (-sums[product], product))[:most]
    found = contenders([leaders(day) for day in days], most, DEEP)
    assert found is None or set(ranked) <= set(found)
