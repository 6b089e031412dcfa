"""Tasks: payloads of several versions, and when a failure is tried again."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenacity.wait import wait_fixed

from server.jobs.tasks import MalformedPayload, PermanentFailure, Postponed, RetryPolicy, Task, UnknownVersion


class Resize(msgspec.Struct):
    """A payload of the third version."""

    media_id: str
    width: int


def first_to_second(payload: dict[str, Any]) -> dict[str, Any]:
    return {"media_id": payload["id"], "size": payload["size"]}


def second_to_third(payload: dict[str, Any]) -> dict[str, Any]:
    return {"media_id": payload["media_id"], "width": payload["size"]}


RESIZE = Task("test.resize", Resize, version=3, upgrades={1: first_to_second, 2: second_to_third})


def test_a_payload_comes_back_as_it_went_in() -> None:
    """What `encode` writes, `decode` reads."""
    text = RESIZE.encode(Resize("m1", 400))
    assert RESIZE.decode(3, msgspec.json.decode(text)) == Resize("m1", 400)


def test_payloads_of_older_releases_are_brought_up_step_by_step() -> None:
    """A job enqueued before an upgrade is read as if it had been enqueued after it."""
    assert RESIZE.decode(1, {"id": "m1", "size": 400}) == Resize("m1", 400)
    assert RESIZE.decode(2, {"media_id": "m1", "size": 400}) == Resize("m1", 400)


@pytest.mark.parametrize("version", [0, 4, -1])
def test_a_version_of_another_release_is_told_apart_from_a_malformed_payload(version: int) -> None:
    """What only a newer release can read is not an error of the job."""
    with pytest.raises(UnknownVersion):
        RESIZE.decode(version, {})


@pytest.mark.parametrize(
    ("version", "payload"),
    [
        (3, {}),
        (3, {"media_id": "m1"}),
        (3, {"media_id": "m1", "width": "400"}),
        (3, {"media_id": 1, "width": 400}),
        (1, {"size": 400}),
        (2, {"media_id": "m1"}),
    ],
)
def test_a_malformed_payload_is_refused(version: int, payload: dict[str, Any]) -> None:
    """What is not of the task's type never reaches a handler."""
    with pytest.raises(MalformedPayload):
        RESIZE.decode(version, payload)


def test_a_payload_of_another_type_cannot_be_enqueued() -> None:
    """A task takes its own payload type and no other."""

    class Other(msgspec.Struct):
        media_id: str

    with pytest.raises(MalformedPayload):
        RESIZE.encode(Other("m1"))  # type: ignore[arg-type]


@pytest.mark.parametrize("upgrades", [{1: second_to_third}, {3: second_to_third}, {0: first_to_second}])
def test_upgrades_with_a_gap_are_refused(upgrades: dict[int, Any]) -> None:
    """A task whose old payloads would get stuck half way cannot be declared."""
    with pytest.raises(ValueError, match="gap"):
        Task("test.resize", Resize, version=3, upgrades=upgrades)


def test_a_queue_that_nobody_serves_is_refused() -> None:
    """A task cannot be declared for a queue that there is not."""
    with pytest.raises(ValueError, match="fast"):
        Task("test.resize", Resize, queue="fast")


@given(st.integers(min_value=1, max_value=99))
def test_the_wait_is_random_between_nothing_and_twice_as_much_each_time(failures: int) -> None:
    """Full jitter: 0 to 2^(n-1) seconds after the nth failure, at most an hour."""
    delay = RetryPolicy(attempts=100).delay(failures)
    assert delay is not None
    assert 0 <= delay <= min(3600, 2 ** (failures - 1))


def test_waits_spread_over_the_whole_range() -> None:
    """Failures of one moment do not come back at one moment."""
    delays = [RetryPolicy(attempts=20).delay(10) or 0.0 for _ in range(400)]
    assert min(delays) < 512 * 0.1
    assert max(delays) > 512 * 0.9


def test_the_last_attempt_is_the_last() -> None:
    """With three attempts, the third failure has no next try."""
    policy = RetryPolicy(attempts=3, wait=wait_fixed(5))
    assert [policy.delay(failures) for failures in (1, 2, 3)] == [5, 5, None]


def test_a_permanent_failure_is_known() -> None:
    """The errors a policy names, and the one that handlers raise for it, are not tried again."""
    policy = RetryPolicy(permanent=(LookupError,))
    assert policy.is_permanent(KeyError("gone"))
    assert policy.is_permanent(PermanentFailure("never"))
    assert not policy.is_permanent(OSError("later"))


class Reading(msgspec.Struct):
    """A payload with a number in it."""

    value: float
    parts: list[Any] = []


READING = Task("test.reading", Reading)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_cannot_hold_is_refused_at_once(value: float) -> None:
    """What a worker could not read back is the caller's error, not a dead job."""
    with pytest.raises(MalformedPayload):
        READING.encode(Reading(value))


def nested(levels: int) -> list[Any]:
    return [nested(levels - 1)] if levels else []


def test_what_could_not_be_shown_is_refused() -> None:
    """Thirty-two levels are stored, one more is not."""
    READING.encode(Reading(1.0, nested(30)))
    with pytest.raises(MalformedPayload, match="levels"):
        READING.encode(Reading(1.0, nested(31)))


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan"), 1e13])
def test_a_job_is_postponed_by_a_year_at_most(seconds: float) -> None:
    """A handler that asks for anything else has failed."""
    with pytest.raises(ValueError, match="postponed"):
        Postponed(seconds, "later")


def test_an_upgrade_that_stumbles_refuses_the_payload() -> None:
    """Whatever an upgrade raises, it is the payload that could not be read."""
    task = Task("test.shaped", Reading, version=2, upgrades={1: lambda payload: payload["value"].strip()})
    with pytest.raises(MalformedPayload, match="strip"):
        task.decode(1, {"value": 1})
