"""Lines or events: what an Accept header asks for, and how each is put together."""

import pytest

from edge.accept import prefers_events
from edge.rest.framing import EVENTS, LINES


@pytest.mark.parametrize(
    "accept",
    [
        "text/event-stream",
        "TEXT/Event-Stream",
        "text/event-stream;charset=utf-8",
        "text/event-stream, */*",
        "text/event-stream, application/json",
        "application/json;q=0.9, text/event-stream",
        "application/x-ndjson;q=0.4, text/event-stream;q=0.5",
        "text/*",
        "text/*;q=0.5, */*;q=0.1",
        "text/event-stream;q=0.001",
    ],
)
def test_events_for_who_would_rather_have_them(accept: str) -> None:
    """By weight; on a tie, when they are asked for by name."""
    assert prefers_events(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "application/x-ndjson, text/event-stream;q=0.9",
        "application/*, text/event-stream;q=0.9",
        "*/*, text/event-stream;q=0.5",
        "text/event-stream;q=0",
        "text/event-stream;q=0.000, text/*",
        "text/html, */*;q=0.8",
        "text/html",
        "text/event-stream;q=2",
        "text/event-stream;q=nan",
        "text/event-stream;q=1_0",
        "text/event-stream;q=",
        "text/event-stream;q=-1",
        "text/event-streams",
        ",;,=",
    ],
)
def test_lines_for_everybody_else(accept: str) -> None:
    """A weight that is none counts for nothing."""
    assert not prefers_events(accept)


def test_a_message_is_one_line_or_one_event() -> None:
    assert LINES.message(b'{"a":1}') == b'{"a":1}\n'
    assert EVENTS.message(b'{"a":1}') == b'data: {"a":1}\n\n'


def test_a_failure_can_be_told_from_a_message() -> None:
    assert LINES.failure(b'{"status":503}') == b'{"error":{"status":503}}\n'
    assert EVENTS.failure(b'{"status":503}') == b'event: error\ndata: {"status":503}\n\n'
