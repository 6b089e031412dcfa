"""Spans: long ones where they are closed, quarter hours elsewhere, and all of a period exactly once."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from server.analytics.event_columns import DAY_MINUTES, HOUR_MINUTES, WEEK_MINUTES
from server.analytics.spans import Closings, Part

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
DAY = timedelta(days=1)
CLOSED_AT = datetime(2026, 12, 1, tzinfo=UTC)


def closed(days: range, *, weeks: range = range(0)) -> Closings:
    """Days counted from that Monday, and weeks."""
    return Closings(
        {(DAY_MINUTES, MONDAY + day * DAY): CLOSED_AT for day in days}
        | {(WEEK_MINUTES, MONDAY + week * 7 * DAY): CLOSED_AT for week in weeks}
    )


def test_closed_weeks_and_days_are_read_whole() -> None:
    """Days up to the first Monday, the week, then what is left of days and quarter hours."""
    parts = closed(range(-1, 8), weeks=range(1)).parts(
        MONDAY - DAY, MONDAY + 8 * DAY + timedelta(minutes=30), [DAY_MINUTES, WEEK_MINUTES], 3
    )
    assert parts == [
        Part(DAY_MINUTES, MONDAY - DAY, MONDAY, 3),
        Part(WEEK_MINUTES, MONDAY, MONDAY + 7 * DAY, 3),
        Part(DAY_MINUTES, MONDAY + 7 * DAY, MONDAY + 8 * DAY, 3),
        Part(15, MONDAY + 8 * DAY, MONDAY + 8 * DAY + timedelta(minutes=30), 3),
    ]


def test_a_day_that_is_open_is_read_by_the_quarter_hour() -> None:
    """Also within a week that was closed before the day opened again, whose closing is gone."""
    parts = closed(range(2)).parts(MONDAY, MONDAY + 3 * DAY, [DAY_MINUTES])
    assert [part.span for part in parts] == [DAY_MINUTES, 15]
    assert parts[1].start == MONDAY + 2 * DAY


def test_hours_are_read_where_their_day_is_closed() -> None:
    """A day of another zone is made of hours; its edges of quarter hours where the offset needs them."""
    start = MONDAY + timedelta(hours=18, minutes=15)
    parts = closed(range(2)).parts(start, start + DAY, [HOUR_MINUTES, DAY_MINUTES])
    assert [(part.span, part.end - part.start) for part in parts] == [
        (15, timedelta(minutes=45)),
        (HOUR_MINUTES, timedelta(hours=23)),
        (15, timedelta(minutes=15)),
    ]


def test_hours_of_an_open_day_are_not_read() -> None:
    """They may not be there yet."""
    parts = closed(range(0)).parts(MONDAY, MONDAY + DAY, [HOUR_MINUTES, DAY_MINUTES])
    assert [part.span for part in parts] == [15]


def test_a_version_tells_when_each_day_was_closed() -> None:
    """None while one of them is open."""
    assert closed(range(2)).version(MONDAY + timedelta(hours=23), MONDAY + 2 * DAY) == (CLOSED_AT,) * 2
    assert closed(range(1)).version(MONDAY + timedelta(hours=23), MONDAY + 2 * DAY) is None


@given(
    st.integers(0, 96 * 20),
    st.integers(1, 96 * 20),
    st.sets(st.integers(-7, 30)),
    st.sets(st.integers(-1, 4)),
    st.sampled_from(
        [
            (DAY_MINUTES,),
            (HOUR_MINUTES, DAY_MINUTES),
            (DAY_MINUTES, WEEK_MINUTES),
            (HOUR_MINUTES, DAY_MINUTES, WEEK_MINUTES),
        ]
    ),
)
def test_parts_fill_a_period_without_gap_or_overlap(
    first: int, length: int, days: set[int], weeks: set[int], spans: tuple[int, ...]
) -> None:
    """Every quarter hour is read once, from one span, which begins where its buckets do."""
    closings = Closings(
        {(DAY_MINUTES, MONDAY + day * DAY): CLOSED_AT for day in days}
        | {(WEEK_MINUTES, MONDAY + week * 7 * DAY): CLOSED_AT for week in weeks}
    )
    start = MONDAY + first * timedelta(minutes=15)
    end = start + length * timedelta(minutes=15)
    parts = closings.parts(start, end, spans)
    at = start
    for part in parts:
        assert part.start == at
        assert (part.start - MONDAY) % timedelta(minutes=part.span) == timedelta()
        assert (part.end - part.start) % timedelta(minutes=part.span) == timedelta()
        at = part.end
    assert at == end
