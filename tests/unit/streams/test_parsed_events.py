"""Events that come parsed, from services, are judged by the same rules."""

from datetime import timedelta

import pytest

from millrace.streams.event_input import MalformedBody, Origin, Rejection, read_events
from millrace.streams.ids import id_bytes_at, id_text
from tests.unit.streams.event_bodies import GOOD, HUMAN, NOW, NOW_MS


def test_parsed_events_have_the_same_rules() -> None:
    """Each with its own origin; the names are those of JSON."""
    bot = Origin(human=False, device="bot", country="FR")
    own = id_bytes_at(NOW_MS)
    batch = read_events(
        [
            {**GOOD, "timestamp": NOW - timedelta(hours=1), "metadata": {"amount": 5.0}, "id": id_text(own)},
            {**GOOD, "timestamp": NOW.replace(tzinfo=None)},
            {**GOOD, "timestamp": "2026-09-21T12:00:00Z"},
            {**GOOD, "url": "\0"},
            {**GOOD, "userId": "\ud800"},
            {**GOOD, "metadata": {"a": float("nan")}},
            {**GOOD, "metadata": {"a": [[[[1]]]]}},
            {**GOOD, "metadata": {"\0": 1}},
            {**GOOD, "metadata": {"a": "\ud800"}},
            {**GOOD, "metadata": {str(number): 1 for number in range(33)}},
            {**GOOD, "metadata": 5},
            {**GOOD, "sessionId": 5},
            {"type": "purchase", "sessionId": "s", "metadata": {"amount": 19.0, "currency": "EUR"}},
        ],
        [HUMAN, *[bot] * 12],
        sent_at_ms=NOW_MS - 5_000,
        now_ms=NOW_MS,
    )
    assert batch.rejected == [
        Rejection(1, "timestamp", "not_a_time"),
        Rejection(2, "timestamp", "not_a_time"),
        Rejection(3, "url", "unstorable"),
        Rejection(4, "userId", "unstorable"),
        Rejection(5, "metadata", "out_of_range"),
        Rejection(6, "metadata", "too_deep"),
        Rejection(7, "metadata", "unstorable"),
        Rejection(8, "metadata", "unstorable"),
        Rejection(9, "metadata", "too_many_keys"),
        Rejection(10, "metadata", "wrong_type"),
        Rejection(11, "sessionId", "wrong_type"),
    ]
    first, last = (new.event for new in batch.events)
    assert (first.event_id, first.country, first.human) == (own, "DE", True)
    assert first.occurred_ms == NOW_MS - 3_595_000
    assert (last.country, last.human, last.metadata) == ("FR", False, b'{"amount":19,"currency":"EUR"}')


@pytest.mark.parametrize(("number", "reason"), [(0, "empty"), (501, "too_many")])
def test_parsed_events_have_the_same_bounds(number: int, reason: str) -> None:
    """One to 500 of them."""
    with pytest.raises(MalformedBody) as caught:
        read_events([GOOD] * number, [HUMAN] * number, sent_at_ms=None, now_ms=NOW_MS)
    assert caught.value.reason == reason


def test_every_parsed_event_has_an_origin() -> None:
    """Rather than events without one getting lost."""
    with pytest.raises(ValueError, match="2 events with 1 origins"):
        read_events([GOOD] * 2, [HUMAN], sent_at_ms=None, now_ms=NOW_MS)
