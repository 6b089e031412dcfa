"""When an event happened: by its own clock, corrected, bounded."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.unit.streams.event_bodies import DAY_MS, GOOD, NOW, NOW_MS, only, read, rejection


def stamped(offset: timedelta, **more: Any) -> dict[str, Any]:
    """A good event that says it happened that long after now."""
    return {**GOOD, "timestamp": (NOW + offset).isoformat(), **more}


def test_without_a_timestamp_it_happened_on_receipt() -> None:
    """Whatever the client's clock says."""
    batch = read({"events": [GOOD], "sentAt": (NOW - timedelta(hours=3)).isoformat()})
    assert only(batch).event.occurred_ms == NOW_MS


@pytest.mark.parametrize(
    ("offset", "occurred_ms", "clamped"),
    [
        (timedelta(0), NOW_MS, False),
        (timedelta(minutes=-90), NOW_MS - 5_400_000, False),
        (timedelta(days=-30), NOW_MS - 30 * DAY_MS, False),
        (timedelta(minutes=10), NOW_MS + 600_000, False),
        (timedelta(minutes=10, milliseconds=1), NOW_MS, True),
        (timedelta(days=4_000), NOW_MS, True),
    ],
)
def test_a_timestamp_counts_unless_it_lies_ahead(offset: timedelta, occurred_ms: int, clamped: bool) -> None:
    """More than ten minutes ahead it is the time of receipt, and flagged."""
    event = only(read(stamped(offset))).event
    assert (event.occurred_ms, event.clamped) == (occurred_ms, clamped)


@pytest.mark.parametrize("offset", [timedelta(days=-30, milliseconds=-1), timedelta(days=-20_000)])
def test_a_timestamp_over_30_days_ago_is_too_old(offset: timedelta) -> None:
    """Such events are no longer kept."""
    assert rejection(stamped(offset)) == ("timestamp", "too_old")


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00"])
def test_the_ends_of_the_calendar_are_times(text: str) -> None:
    """They overflow nothing, as a timestamp and as the sender's clock."""
    batch = read({"events": [{**GOOD, "timestamp": text}, GOOD], "sentAt": text})
    assert batch.count == 2
    read({**GOOD, "timestamp": text})


@pytest.mark.parametrize("text", ["2026-09-21T14:13:20.123+02:00", "2026-09-21t08:28:20.123-03:45"])
def test_zones_are_understood(text: str) -> None:
    """The instant counts."""
    event = only(read({**GOOD, "timestamp": text})).event
    assert event.occurred_ms == int(datetime.fromisoformat(text.upper()).timestamp() * 1_000)


@pytest.mark.parametrize(
    ("behind", "added_ms"),
    [
        (timedelta(milliseconds=1_000), 0),
        (timedelta(milliseconds=1_001), 1_001),
        (timedelta(hours=5), 5 * 3_600_000),
        (timedelta(milliseconds=-1_000), 0),
        (timedelta(minutes=-3), -180_000),
    ],
)
def test_the_senders_clock_corrects_timestamps(behind: timedelta, added_ms: int) -> None:
    """By what it differs from ours, when that is over a second."""
    event = stamped(timedelta(hours=-1) - behind)
    batch = read({"events": [event], "sentAt": (NOW - behind).isoformat()})
    assert (
        only(batch).event.occurred_ms == NOW_MS - 3_600_000 - behind // timedelta(milliseconds=1) + added_ms
    )
