"""The rule of each field, and the fault that names it."""

from typing import Any

import pytest

from millrace.streams.event_input import Origin, Rejection
from tests.unit.streams.event_bodies import GOOD, UUID4, only, read, rejection, with_


@pytest.mark.parametrize(
    ("event", "field", "reason"),
    [
        ({"sessionId": "s"}, "type", "required"),
        ({"type": None, "sessionId": "s"}, "type", "required"),
        ({"type": 5, "sessionId": "s"}, "type", "wrong_type"),
        ({"type": "search", "sessionId": "s"}, "type", "not_allowed"),
        ({"type": "Page_View", "sessionId": "s"}, "type", "not_allowed"),
        ({"type": "click"}, "sessionId", "required"),
        ({**GOOD, "sessionId": ""}, "sessionId", "empty"),
        ({**GOOD, "sessionId": "s" * 129}, "sessionId", "too_long"),
        ({**GOOD, "sessionId": 12}, "sessionId", "wrong_type"),
        ({**GOOD, "sessionId": "a\0b"}, "sessionId", "unstorable"),
        ({**GOOD, "userId": ""}, "userId", "empty"),
        ({**GOOD, "userId": "ü" * 129}, "userId", "too_long"),
        ({**GOOD, "userId": ["u"]}, "userId", "wrong_type"),
        ({**GOOD, "productId": True}, "productId", "wrong_type"),
        ({**GOOD, "productId": "\0"}, "productId", "unstorable"),
        ({**GOOD, "productId": "p" * 129}, "productId", "too_long"),
        ({**GOOD, "url": "x" * 2_049}, "url", "too_long"),
        ({**GOOD, "url": "ü" * 1_025}, "url", "too_long"),
        ({**GOOD, "url": 5}, "url", "wrong_type"),
        ({**GOOD, "referrer": "€" * 683}, "referrer", "too_long"),
        ({**GOOD, "referrer": "\0"}, "referrer", "unstorable"),
        ({**GOOD, "id": ""}, "id", "not_a_uuid"),
        ({**GOOD, "id": UUID4.replace("-", "")}, "id", "not_a_uuid"),
        ({**GOOD, "id": f"{{{UUID4}}}"}, "id", "not_a_uuid"),
        ({**GOOD, "id": 5}, "id", "wrong_type"),
        ({**GOOD, "timestamp": "2026-09-21T12:00:00"}, "timestamp", "not_a_time"),
        ({**GOOD, "timestamp": "yesterday"}, "timestamp", "not_a_time"),
        ({**GOOD, "timestamp": "2026-02-29T12:00:00Z"}, "timestamp", "not_a_time"),
        ({**GOOD, "timestamp": 1_790_000_000}, "timestamp", "wrong_type"),
        ({**GOOD, "metadata": []}, "metadata", "wrong_type"),
        ({**GOOD, "metadata": "{}"}, "metadata", "wrong_type"),
        (b"5", "", "wrong_type"),
        (b"null", "", "wrong_type"),
        (b'"click"', "", "wrong_type"),
        (with_("url", b'"\xff"'), "url", "malformed"),
        (with_("sessionId", b'"caf\xe9"'), "sessionId", "malformed"),
        (with_("url", b'"\\ud800"'), "url", "unstorable"),
        (with_("userId", b'"\\udc00 tail that is long enough"'), "userId", "unstorable"),
        (with_("url", b"9" * 5_000), "url", "wrong_type"),
        (with_("userId", b"[" * 50_000 + b"]" * 50_000), "userId", "wrong_type"),
        (with_("id", b'[{"a":' * 30_000 + b"1" + b"}]" * 30_000), "id", "wrong_type"),
    ],
)
def test_a_field_that_breaks_its_rule_is_named(event: Any, field: str, reason: str) -> None:
    """Alone, in an array and in an envelope alike, and at no cost to its neighbours."""
    if event in (b"5", b"null", b'"click"'):
        batch = read(b"[%b]" % event)
        assert batch.rejected == [Rejection(0, field, reason)]
        return
    assert rejection(event) == (field, reason)


def test_the_longest_and_shortest_that_pass() -> None:
    """Bounds are inclusive; characters for ids, bytes for urls."""
    event = only(
        read({**GOOD, "sessionId": "ü" * 128, "userId": "u", "url": "ü" * 1_024, "referrer": "x" * 2_048})
    ).event
    assert (len(event.session_id), len(event.url or ""), len(event.referrer or "")) == (128, 1_024, 2_048)


def test_a_pair_of_surrogates_is_a_character() -> None:
    """Only half of one is a fault."""
    whole = b'{"type":"click","sessionId":"\\ud83d\\ude00","url":"\\\\ud800"}'
    body = b'[%b,{"type":"click","sessionId":"\\ud83d"}]' % whole
    batch = read(body)
    assert batch.events[0].event.session_id == "😀"
    assert batch.events[0].event.url == "\\ud800"
    assert batch.rejected == [Rejection(1, "sessionId", "unstorable")]


def test_both_faults_that_the_parser_cannot_take_in_one_body() -> None:
    """Too deep and half a pair: each event still has its own verdict."""
    deep = b"[" * 5_000 + b"]" * 5_000
    body = b'[{"type":"click","sessionId":"a"},%b,%b]' % (with_("metadata", deep), with_("url", b'"\\ud800"'))
    batch = read(body)
    assert [new.event.session_id for new in batch.events] == ["a"]
    assert batch.rejected == [Rejection(1, "metadata", "wrong_type"), Rejection(2, "url", "unstorable")]


def test_an_empty_url_is_none() -> None:
    """Browsers send an empty referrer for none."""
    event = only(read({**GOOD, "url": "", "referrer": ""})).event
    assert (event.url, event.referrer) == (None, None)


def test_the_origin_goes_into_every_event() -> None:
    """Bot, device and country are the request's."""
    batch = read([GOOD] * 3, Origin(human=False, device="bot", country="ZZ"))
    assert {(new.event.human, new.event.device, new.event.country) for new in batch.events} == {
        (False, "bot", "ZZ")
    }
