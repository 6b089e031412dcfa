"""Events in the document: what it says of them is what is judged."""

from typing import Any

import jsonschema_rs
import pytest

from edge.connections import EVENTS_PATH
from edge.openapi import millrace_document
from millrace.streams.event_fields import MAX_ID, SENT_TYPES
from millrace.streams.event_input import MAX_EVENTS


@pytest.fixture(scope="module")
def operation() -> dict[str, Any]:
    found: dict[str, Any] = millrace_document()["paths"][EVENTS_PATH]["post"]
    return found


@pytest.fixture(scope="module")
def body(operation: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = operation["requestBody"]["content"]["application/json"]["schema"]
    return found


def test_the_bounds_are_those_that_are_judged(body: dict[str, Any]) -> None:
    """Types, lengths and the number of events."""
    one, _, several = body["anyOf"]
    assert one["properties"]["type"]["enum"] == list(SENT_TYPES)
    assert one["properties"]["sessionId"]["maxLength"] == MAX_ID
    assert several["maxItems"] == MAX_EVENTS


@pytest.mark.parametrize(
    ("sent", "fits"),
    [
        ({"type": "click", "sessionId": "s"}, True),
        ([{"type": "click", "sessionId": "s"}], True),
        ({"events": [{"type": "click", "sessionId": "s"}], "sentAt": None}, True),
        ({"type": "click", "sessionId": "s", "id": None, "metadata": {"a": 1}, "more": 7}, True),
        ({"type": "click"}, False),
        ({"type": "search", "sessionId": "s"}, False),
        ([], False),
        (7, False),
    ],
)
def test_the_three_forms_of_a_body(body: dict[str, Any], sent: object, fits: bool) -> None:
    """One event, several, and several with the time of sending; unknown members do not matter."""
    assert jsonschema_rs.Draft202012Validator(body).is_valid(sent) is fits


def test_every_answer_is_there(operation: dict[str, Any]) -> None:
    """With the verdicts, and with what is refused as a whole."""
    assert set(operation["responses"]) == {"202", "400", "408", "413", "415", "429", "503", "default"}
