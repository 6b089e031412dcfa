"""What events and clicks add to the rollups, counted before any table is touched."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.analytics.counting import CountedClick, CountedEvent, monday_of, tally_clicks, tally_events
from server.analytics.event_columns import (
    CLICK_ROLLUPS,
    COUNTRY_ROLLUPS,
    DEVICE_ROLLUPS,
    PRODUCT_ROLLUPS,
    SOURCE_ROLLUPS,
    TYPE_ROLLUPS,
    VISITOR_ROLLUPS,
)
from server.analytics.tallies import QUARTER_MS

TYPES = ("page_view", "product_view", "click", "add_to_cart", "purchase", "search")
some_events = st.lists(
    st.builds(
        CountedEvent,
        type=st.sampled_from(TYPES),
        occurred_ms=st.integers(-QUARTER_MS, 3 * QUARTER_MS),
        human=st.booleans(),
        session_id=st.sampled_from(["s1", "s2"]),
        user_id=st.sampled_from([None, "s1", "u"]),
        product_id=st.sampled_from([None, "p1", "p2"]),
        source=st.sampled_from(["direct", "search"]),
        device=st.sampled_from(["mobile", "desktop"]),
        country=st.sampled_from(["DE", "ZZ"]),
    ),
    max_size=40,
)


@given(some_events)
def test_every_dimension_sums_up_to_the_events(events: list[CountedEvent]) -> None:
    """People and bots of a dimension are all events, and its page views those of people."""
    increments = tally_events(events)
    human = [event for event in events if event.human]
    views = sum(event.type == "page_view" for event in human)
    for table in (SOURCE_ROLLUPS, DEVICE_ROLLUPS, COUNTRY_ROLLUPS):
        sums = [sum(column) for column in zip(*increments.counters[table].values(), strict=True)]
        assert sums == ([views, len(human), len(events) - len(human)] if events else [])
    of_types = [sum(row) for row in increments.counters[TYPE_ROLLUPS].values()]
    assert sum(of_types) == len(events)
    products = [sum(row[:3]) for row in increments.counters[PRODUCT_ROLLUPS].values()]
    counted = {"product_view", "add_to_cart", "purchase"}
    assert sum(products) == sum(event.type in counted and event.product_id is not None for event in human)


@given(some_events)
def test_visitors_are_users_else_sessions(events: list[CountedEvent]) -> None:
    """A session of an unknown user never passes for a user of the same name; bots are nobody."""
    increments = tally_events(events)
    human = [event for event in events if event.human]
    seen = increments.values[VISITOR_ROLLUPS]
    visitors = {f"u:{event.user_id}" if event.user_id else f"s:{event.session_id}" for event in human}
    assert set().union(*(row[0] for row in seen.values())) == visitors
    assert set().union(*(row[1] for row in seen.values())) == {event.session_id for event in human}


def test_quarter_hours() -> None:
    """The last millisecond of a quarter hour belongs to it, the next one does not."""
    increments = tally_clicks([
        CountedClick(QUARTER_MS - 1, human=True, unique=False, product_id=None),
        CountedClick(QUARTER_MS, human=False, unique=True, product_id="p"),
        CountedClick(QUARTER_MS, human=True, unique=True, product_id="p"),
    ])  # fmt: skip
    assert increments.counters[CLICK_ROLLUPS] == {(0, ""): [1, 0, 0], (1, ""): [1, 1, 1]}
    assert increments.counters[PRODUCT_ROLLUPS] == {(1, "p"): [0, 0, 0, 1, 1]}
    assert increments.days() == {0}


def test_weeks_begin_on_monday() -> None:
    """1970 began on a Thursday; its first Monday was the fifth of January."""
    assert [monday_of(day) for day in (3, 4, 10, 11)] == [-3, 4, 4, 11]
