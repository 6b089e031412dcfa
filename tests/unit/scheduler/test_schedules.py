"""When schedules are due, across days that clocks change on, and what becomes of missed runs."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.jobs.schedules import GRACE, Missed, Outcome, Schedule, by_name, decide
from server.jobs.tasks import MalformedPayload, Task


class Nothing(msgspec.Struct):
    """A payload that says nothing."""


TASK = Task("test.scheduled", Nothing)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOURS = [NOON - timedelta(hours=ago) for ago in (3, 2, 1)]


def schedule(cron: str, zone: str = "UTC") -> Schedule[Nothing]:
    return Schedule("it", cron, TASK, Nothing(), zone=zone)


@pytest.mark.parametrize(
    ("cron", "day", "due"),
    [
        # Clocks go from 2:00 to 3:00 in Berlin, which is 01:00 UTC.
        pytest.param("30 2 * * *", "2026-03-29", ["01:00"], id="left out: right after the gap"),
        pytest.param("0 2,3 * * *", "2026-03-29", ["01:00"], id="moved onto another: once"),
        pytest.param("0 * * * *", "2026-03-29", [f"{hour:02}:00" for hour in range(22)], id="23 hours"),
        # Clocks go from 3:00 to 2:00, which is 01:00 UTC.
        pytest.param("30 2 * * *", "2026-10-25", ["00:30"], id="comes twice: the first"),
        pytest.param("*/30 2 * * *", "2026-10-25", ["00:00", "00:30", "01:00", "01:30"], id="real time"),
        pytest.param("0 12 * * *", "2026-10-25", ["11:00"], id="after it: winter time"),
    ],
)
def test_days_on_which_clocks_change(cron: str, day: str, due: list[str]) -> None:
    """A fixed time runs once on each day; a wildcard counts real hours."""
    midnight = datetime.fromisoformat(f"{day}T00:00+00:00")

    found = schedule(cron, "Europe/Berlin").due_between(
        midnight - timedelta(seconds=1), midnight + timedelta(hours=21, minutes=59), limit=100
    )

    assert [f"{each:%H:%M}" for each in found] == due


@given(
    start=st.datetimes(datetime(2026, 3, 28), datetime(2026, 3, 30), timezones=st.just(UTC))
    | st.datetimes(datetime(2026, 10, 24), datetime(2026, 10, 26), timezones=st.just(UTC)),
    cron=st.sampled_from(["30 2 * * *", "*/20 * * * *", "15 1-3 * * *", "0 2,3 * * *", "5 */2 * * *"]),
)
def test_asking_again_from_any_due_time_goes_on_alike(start: datetime, cron: str) -> None:
    """Whether one asks once for many or again after each, the same instants come, in order."""
    it = schedule(cron, "Europe/Berlin")
    at_once = list(islice(it.due_after(start), 12))

    one_by_one = []
    for _ in at_once:
        start = it.next_after(start) or start
        one_by_one.append(start)

    assert one_by_one == at_once
    assert sorted(set(at_once)) == at_once


@pytest.mark.parametrize(
    ("missed", "fired"), [(Missed.SKIP, []), (Missed.LAST, HOURS[-1:]), (Missed.ALL, HOURS)]
)
def test_missed_runs_go_by_policy(missed: Missed, fired: list[datetime]) -> None:
    """SKIP runs none of them, LAST the latest, ALL each."""
    decided = decide(missed, HOURS, NOON)

    assert [due for due, outcome in decided if outcome is Outcome.FIRED] == fired
    assert [due for due, _ in decided] == HOURS


@pytest.mark.parametrize("missed", list(Missed))
def test_a_run_within_the_grace_is_not_missed(missed: Missed) -> None:
    """A minute late is in time, whatever the policy."""
    assert decide(missed, [NOON - GRACE], NOON) == [(NOON - GRACE, Outcome.FIRED)]


def test_the_latest_of_some_is_not_the_last_when_more_follow() -> None:
    """LAST waits for the true last one when due times are decided in several rounds."""
    decided = decide(Missed.LAST, HOURS, NOON, more=True)

    assert {outcome for _, outcome in decided} == {Outcome.SKIPPED}


@pytest.mark.parametrize(
    ("cron", "zone", "named"),
    [("61 * * * *", "UTC", "minute"), ("* *", "UTC", "fields"), ("0 0 30 2 *", "UTC", "day")]
    + [("0 0 * * *", zone, "time zone") for zone in ("Europe/Atlantis", "../etc/passwd", "")],
)
def test_what_does_not_exist_is_refused(cron: str, zone: str, named: str) -> None:
    """A wrong expression or zone stops the process that declares it, and says which schedule it was."""
    with pytest.raises(ValueError, match=f"it: .*{named}"):
        schedule(cron, zone)


def test_a_wrong_payload_is_refused() -> None:
    """A schedule that could never be enqueued is not accepted."""
    wrong: Any = msgspec.Struct()

    with pytest.raises(MalformedPayload):
        Schedule("it", "* * * * *", TASK, wrong)


def test_a_name_is_given_once() -> None:
    """Two schedules of one name would share their due times."""
    with pytest.raises(ValueError, match="called it"):
        by_name([schedule("0 1 * * *"), schedule("0 2 * * *")])


def test_fixed_times_with_seconds_need_utc() -> None:
    """cronsim knows what clock changes mean for five fields only; such a time might never come."""
    with pytest.raises(ValueError, match="six fields"):
        Schedule("it", "0 30 2 * * *", TASK, Nothing(), zone="Europe/Berlin")
    Schedule("it", "0 30 2 * * *", TASK, Nothing())
    Schedule("it", "30 * * * * *", TASK, Nothing(), zone="Europe/Berlin")
