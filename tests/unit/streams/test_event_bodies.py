"""What is taken of a body as a whole: its shapes, its bounds, its faults."""

from typing import Any

import pytest

from millrace.streams.event_input import MalformedBody
from tests.unit.streams.event_bodies import GOOD, only, read


@pytest.mark.parametrize("body", [GOOD, [GOOD], {"events": [GOOD]}, {"sentAt": None, "events": [GOOD]}])
def test_the_three_shapes_of_a_body(body: Any) -> None:
    """One event, a bare array, and an object with `events` say the same."""
    event = only(read(body)).event
    assert (event.type, event.session_id) == ("page_view", "s-1")
    assert read(body).count == 1


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        (b"", "", "malformed"),
        (b"   ", "", "malformed"),
        (b"null", "", "malformed"),
        (b"7", "", "malformed"),
        (b'"page_view"', "", "malformed"),
        (b'{"type":"page_view"', "", "malformed"),
        (b'[{"type":"page_view","sessionId":"s"},]', "", "malformed"),
        (b'[{"type":"page_view","sessionId":"s"}] x', "", "malformed"),
        (b'[{"type":"page_view","sessionId":"s","metadata":{"a":NaN}}]', "", "malformed"),
        (b'[{"type":"page_view","sessionId":"s","unknown":01}]', "", "malformed"),
        (b"{'type':'page_view'}", "", "malformed"),
        (b"\xef\xbb\xbf[]", "", "malformed"),
        (b'{"events": [{"a":"\\ud800"}, nope]}', "", "malformed"),
        (b"[" * 50_000, "", "malformed"),
        (b"[" * 50_000 + b"]" * 49_999, "", "malformed"),
        (b'"' + b'\\"' * 100_000 + b"\\ud800", "", "malformed"),
        (b"[]", "events", "empty"),
        (b'{"events": []}', "events", "empty"),
        (b'{"events": {}}', "events", "wrong_type"),
        (b'{"events": "page_view"}', "events", "wrong_type"),
        (b'{"events": [{"type":"page_view","sessionId":"s"}], "sentAt": "now"}', "sentAt", "not_a_time"),
        (b'{"events": [{"type":"page_view","sessionId":"s"}], "sentAt": 5}', "sentAt", "not_a_time"),
        (b'{"events": [5], "sentAt": "2026-01-01T00:00:00"}', "sentAt", "not_a_time"),
    ],
)
def test_a_malformed_body_is_refused_whole(body: bytes, field: str, reason: str) -> None:
    """Nothing can be said of single events; the fault is named."""
    with pytest.raises(MalformedBody) as caught:
        read(body)
    assert (caught.value.field, caught.value.reason) == (field, reason)


@pytest.mark.parametrize("bad_one", [[], [5]])
def test_500_events_are_taken_and_501_are_not(bad_one: list[Any]) -> None:
    """Whether or not each of them is right."""
    assert read([GOOD] * (500 - len(bad_one)) + bad_one).count == 500
    with pytest.raises(MalformedBody) as caught:
        read([GOOD] * (501 - len(bad_one)) + bad_one)
    assert (caught.value.field, caught.value.reason) == ("events", "too_many")


def test_an_event_may_have_unknown_members() -> None:
    """They are ignored, whatever they hold; null is as good as absent."""
    nulls = dict.fromkeys(("id", "userId", "productId", "url", "referrer", "metadata", "timestamp", "events"))
    event = only(read({**GOOD, **nulls, "unknown": {"a": [{}] * 50}, "sentAt": "later"})).event
    assert (event.user_id, event.metadata, event.clamped) == (None, None, False)


def test_of_repeated_members_the_last_one_counts() -> None:
    """Even when an earlier one is of the wrong type."""
    body = b'{"type":5,"sessionId":"first","type":"click","sessionId":"last"}'
    event = only(read(body)).event
    assert (event.type, event.session_id) == ("click", "last")
