"""Ranges: what texts mean, and how a calendar cuts them, also where clocks jump."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.analytics.ranges import (
    HOUR,
    QUARTER,
    BadRange,
    Period,
    Range,
    day_start,
    first_instant,
    read_range,
    read_zone,
)

NOW = datetime(2026, 11, 23, 10, 7, 3, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = (
    "UTC",
    "Europe/Berlin",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/St_Johns",
)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]  # year to second


def read(start: str = "", end: str = "", *, zone: str = "UTC", interval: str = "") -> Range:
    return read_range(start, end, ZoneInfo(zone), interval, now=NOW)


def hours_of(start: str, end: str, zone: str, interval: str = "day") -> list[float]:
    """Lengths of the intervals in hours."""
    return [
        (each.end - each.start) / HOUR for each in read(start, end, zone=zone, interval=interval).intervals()
    ]


def test_a_range_defaults_to_the_last_thirty_days() -> None:
    """Up to now, both ends rounded outward to quarter hours."""
    assert read() == Range(utc(2026, 10, 24, 10), utc(2026, 11, 23, 10, 15), ZoneInfo("UTC"), "day")


def test_a_start_or_an_end_alone_is_enough() -> None:
    """The other one is now, or thirty days before."""
    assert read("2026-11-20").end == utc(2026, 11, 23, 10, 15)
    assert read(end="2026-11-20").start == utc(2026, 10, 21)


def test_a_date_is_its_first_moment_in_the_zone() -> None:
    """Berlin's first of November began at 23:00 UTC the day before."""
    assert read("2026-11-01", "2026-11-02", zone="Europe/Berlin").start == utc(2026, 10, 31, 23)


def test_an_instant_says_its_own_zone() -> None:
    """Whatever zone the days are reckoned in; letters in either case."""
    asked = read("2026-11-01t00:00:00.5+01:00", "2026-11-01T12:00:00z", zone="Asia/Kathmandu")
    assert (asked.start, asked.end) == (utc(2026, 10, 31, 23), utc(2026, 11, 1, 12))


@pytest.mark.parametrize(
    ("days", "interval"), [(2, "hour"), (3, "day"), (92, "day"), (93, "week"), (190, "week"), (191, "month")]
)
def test_the_usual_interval_follows_from_the_length(days: int, interval: str) -> None:
    """Two days by hour, a quarter by day, half a year by week, more by month."""
    assert read(f"{utc(2026, 11, 1) - timedelta(days=days):%Y-%m-%d}", "2026-11-01").interval == interval


@pytest.mark.parametrize(
    ("start", "end", "interval", "field"),
    [
        ("yesterday", "", "", "start"),
        ("2026-11-01T00:00:00", "", "", "start"),
        ("2026-11-01 00:00:00Z", "", "", "start"),
        ("20261101", "", "", "start"),
        ("2026-02-30", "", "", "start"),
        ("2026-11-01T24:30:00Z", "", "", "start"),
        ("٢٠٢٦-11-01", "", "", "start"),
        ("0001-01-01", "", "", "start"),
        ("9999-12-31", "", "", "start"),
        ("", "2026-13-01", "", "end"),
        ("2026-11-02", "2026-11-02", "", "end"),
        ("2026-11-02", "2026-11-01", "", "end"),
        ("2027-01-01", "", "", "start"),
        ("2025-01-01", "2026-11-01", "", "end"),
        ("2025-01-01", "", "", "start"),
        ("2026-01-01", "2026-11-01", "hour", "interval"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_by_its_field(start: str, end: str, interval: str, field: str) -> None:
    """The caller learns which one to correct."""
    with pytest.raises(BadRange) as refused:
        read(start, end, interval=interval)
    assert refused.value.field == field


def test_four_hundred_days_are_the_most() -> None:
    """By the calendar: an hour more for a change of clocks is none too many."""
    assert read("2025-10-18", "2026-11-22", zone="Europe/Berlin").end == utc(2026, 11, 21, 23)
    with pytest.raises(BadRange):
        read("2025-10-17", "2026-11-22", zone="Europe/Berlin")


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "Europe", "", "\0", "x" * 60, "Zürich"])
def test_a_zone_that_there_is_not_is_refused(name: str) -> None:
    """Whatever way the system's files fail in."""
    with pytest.raises(BadRange) as refused:
        read_zone(name)
    assert refused.value.field == "timezone"


def test_days_of_changing_clocks_have_their_own_lengths() -> None:
    """Berlin's have 25 hours in October and 23 in March."""
    assert hours_of("2026-10-24", "2026-10-27", "Europe/Berlin") == [24, 25, 24]
    assert hours_of("2026-03-28", "2026-03-31", "Europe/Berlin") == [24, 23, 24]


def test_an_hour_that_clocks_repeat_is_two() -> None:
    """And one that they leave out is none."""
    assert hours_of("2026-10-25", "2026-10-26", "Europe/Berlin", "hour") == [1] * 25
    assert hours_of("2026-03-29", "2026-03-30", "Europe/Berlin", "hour") == [1] * 23


def test_hours_and_days_of_kathmandu_begin_at_its_own_quarter() -> None:
    """Five and three quarters of an hour from UTC."""
    days = read("2026-11-01", "2026-11-03", zone="Asia/Kathmandu", interval="day").intervals()
    assert days[0] == Period(utc(2026, 10, 31, 18, 15), utc(2026, 11, 1, 18, 15))
    hours = read("2026-11-01T00:00:00Z", "2026-11-01T03:00:00Z", zone="Asia/Kathmandu", interval="hour")
    assert [each.start.minute for each in hours.intervals()] == [0, 15, 15, 15]


def test_a_day_that_a_zone_left_out_has_no_interval() -> None:
    """Apia had no 30 December 2011."""
    days = read("2011-12-28", "2012-01-02", zone="Pacific/Apia", interval="day").intervals()
    apia = ZoneInfo("Pacific/Apia")
    assert [each.start.astimezone(apia).day for each in days] == [28, 29, 31, 1]
    assert read("2011-12-30", "2011-12-31T12:00:00+14:00", zone="Pacific/Apia").start == utc(2011, 12, 30, 10)


def test_a_day_without_midnight_begins_when_clocks_have_jumped() -> None:
    """São Paulo's 4 November 2018 began at 01:00."""
    assert first_instant(datetime(2018, 11, 4), ZoneInfo("America/Sao_Paulo")) == utc(2018, 11, 4, 3)
    assert hours_of("2018-11-03", "2018-11-06", "America/Sao_Paulo") == [24, 23, 24]


def test_a_gap_around_a_wall_time_ends_at_the_jump() -> None:
    """Half past two on the day on which Berlin's clocks go from two to three."""
    assert first_instant(datetime(2026, 3, 29, 2, 30), BERLIN) == utc(2026, 3, 29, 1)


def test_a_wall_time_that_comes_twice_means_the_first() -> None:
    """Half past two on the day on which Berlin's clocks go back."""
    assert first_instant(datetime(2026, 10, 25, 2, 30), BERLIN) == utc(2026, 10, 25, 0, 30)


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    """Cut by the range at both ends."""
    weeks = read("2026-11-01", "2026-11-12", zone="Europe/Berlin", interval="week").intervals()
    assert [each.start.astimezone(BERLIN).day for each in weeks] == [1, 2, 9]
    months = read("2025-11-15", "2026-02-03", interval="month").intervals()
    assert [(each.start.month, each.start.day) for each in months] == [(11, 15), (12, 1), (1, 1), (2, 1)]


def test_the_previous_period_has_as_many_days() -> None:
    """Also over a change of clocks: before October's 31 days lie 31 days, not 31 days and an hour."""
    assert read("2026-11-01", "2026-11-08", zone="Europe/Berlin").previous().start == utc(2026, 10, 24, 22)
    within_the_repeated_hour = read("2026-10-25T00:30:00Z", "2026-10-25T01:15:00Z", zone="Europe/Berlin")
    assert within_the_repeated_hour.previous() == Period(utc(2026, 10, 24, 23, 45), utc(2026, 10, 25, 0, 30))


def test_today_began_at_the_zones_midnight() -> None:
    """For the running day."""
    assert day_start(NOW, ZoneInfo("Asia/Kathmandu")) == utc(2026, 11, 22, 18, 15)


@given(
    st.sampled_from(ZONES),
    st.sampled_from(["hour", "day", "week", "month"]),
    st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1)),
    st.timedeltas(timedelta(minutes=1), timedelta(days=60)),
)
def test_intervals_fill_a_range_without_gap_or_overlap(
    zone: str, interval: str, start: datetime, length: timedelta
) -> None:
    """So that what is counted by interval adds up to what is counted at once; in whole quarter hours."""
    start = start.replace(tzinfo=UTC)
    asked = read_range(
        start.isoformat(timespec="seconds"),
        (start + length).isoformat(timespec="seconds"),
        ZoneInfo(zone),
        interval,
        now=NOW,
    )
    intervals = asked.intervals()
    assert (intervals[0].start, intervals[-1].end) == (asked.start, asked.end)
    assert all(before.end == after.start for before, after in pairwise(intervals))
    assert all(each.start < each.end for each in intervals)
    assert all((each.start - utc(2000, 1, 1)) % QUARTER == timedelta() for each in intervals)
    assert asked.previous().end == asked.start > asked.previous().start


@given(st.sampled_from(ZONES), st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1)))
def test_hours_make_up_their_day(zone: str, at: datetime) -> None:
    """No hour lies in two days."""
    date = f"{at:%Y-%m-%d}"
    following = f"{at + timedelta(days=1):%Y-%m-%d}"
    try:
        day = read(date, following, zone=zone, interval="day").intervals()
    except BadRange:  # Apia's day that never was
        assert (zone, date) == ("Pacific/Apia", "2011-12-30")
        return
    hours = read(date, following, zone=zone, interval="hour").intervals()
    assert (day[0].start, day[-1].end) == (hours[0].start, hours[-1].end)
    assert len(day) == 1
