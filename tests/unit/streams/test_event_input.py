"""What is taken of a body with events, and what is said of the rest, rule by rule."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from millrace.streams.event_input import (
    EventBatch,
    MalformedBody,
    NewEvent,
    Origin,
    Rejection,
    read_batch,
    read_events,
)
from millrace.streams.event_records import id_at_place
from millrace.streams.ids import id_bytes, id_bytes_at, id_text, id_time_ms

NOW_MS = 1_790_000_000_123
NOW = datetime.fromtimestamp(NOW_MS // 1_000, UTC) + timedelta(milliseconds=NOW_MS % 1_000)
DAY_MS = 86_400_000
HUMAN = Origin(human=True, device="desktop", country="DE")
GOOD = {"type": "page_view", "sessionId": "s-1"}
UUID4 = "0e5c2c9e-3a4d-4b7f-9c1e-8d2f6a7b5c4d"


def read(body: Any, origin: Origin = HUMAN) -> EventBatch:
    """The verdicts on a body, given as bytes or as what JSON makes of it."""
    return read_batch(body if isinstance(body, bytes) else json.dumps(body).encode(), origin, now_ms=NOW_MS)


def only(batch: EventBatch) -> NewEvent:
    """The one event of a batch that was taken whole."""
    assert batch.rejected == []
    (new,) = batch.events
    return new


def rejection(event: dict[str, Any] | bytes) -> tuple[str, str]:
    """Field and reason with which an event is refused, alone or among good ones, which stay."""
    raw = event if isinstance(event, bytes) else json.dumps(event).encode()
    alone = read(raw)
    assert alone.events == []
    good = json.dumps(GOOD).encode()
    for body in (b"[%b,%b,%b]" % (good, raw, good), b'{"events": [%b, %b,\n %b ]}' % (good, raw, good)):
        batch = read(body)
        assert [new.place for new in batch.events] == [0, 2]
        assert batch.count == 3
        (among,) = batch.rejected
        assert among.index == 1
        assert among[1:] == alone.rejected[0][1:]
    assert alone.rejected[0].index == 0
    return alone.rejected[0].field, alone.rejected[0].reason


def with_(field: str, raw: bytes) -> bytes:
    """A good event with one field of JSON as it stands."""
    return b'{"type":"purchase","sessionId":"s-1","%b":%b}' % (field.encode(), raw)


# --- the body ---


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


# --- fields ---


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


# --- ids ---


def test_an_event_without_an_id_gets_the_next_place() -> None:
    """Rejected neighbours leave a gap, so that verdict and event agree on the index."""
    base = id_bytes_at(NOW_MS)
    body = json.dumps([GOOD, {}, GOOD]).encode()
    batch = read_batch(body, HUMAN, now_ms=NOW_MS, base=base)
    assert batch.base == base
    assert [new.event.event_id for new in batch.events] == [id_at_place(base, 0), id_at_place(base, 2)]
    assert {new.dedupe_id for new in batch.events} == {None}
    assert {new.event.received_ms for new in batch.events} == {NOW_MS}


def test_places_wrap_where_the_last_bytes_are_full() -> None:
    """The id stays one of the same instant, as decoding will count it."""
    base = id_bytes_at(NOW_MS)[:12] + b"\xff\xff\xff\xff"
    batch = read_batch(json.dumps([GOOD] * 2).encode(), HUMAN, now_ms=NOW_MS, base=base)
    assert batch.events[1].event.event_id == id_at_place(base, 1)


@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_a_uuid_of_another_kind_is_a_client_id(case: Any) -> None:
    """The event gets an id of ours beside it; letters of either case are the same id."""
    new = only(read({**GOOD, "id": case(UUID4)}))
    assert new.event.client_id == new.dedupe_id == id_bytes(UUID4)
    assert new.place == 0
    assert id_time_ms(new.event.event_id) == NOW_MS


def test_a_uuid7_is_the_event_id() -> None:
    """There is no second id then, but it is deduped all the same."""
    own = id_bytes_at(NOW_MS - DAY_MS)
    new = only(read({**GOOD, "id": id_text(own)}))
    assert (new.event.event_id, new.event.client_id, new.place, new.dedupe_id) == (own, None, None, own)


def test_a_version_7_of_another_variant_is_a_client_id() -> None:
    """Only RFC 9562's variant carries a time where we look for it."""
    own = bytearray(id_bytes_at(NOW_MS))
    own[8] = 0xC0
    new = only(read({**GOOD, "id": id_text(bytes(own))}))
    assert new.event.client_id == bytes(own)


@pytest.mark.parametrize(
    ("offset_ms", "taken"),
    [(-30 * DAY_MS, True), (-30 * DAY_MS - 1, False), (DAY_MS, True), (DAY_MS + 1, False)],
)
def test_a_uuid7_must_be_dated_within_retention(offset_ms: int, taken: bool) -> None:
    """It decides where the event is stored, so it may be neither too old nor far ahead."""
    event = {**GOOD, "id": id_text(id_bytes_at(NOW_MS + offset_ms))}
    if taken:
        assert only(read(event)).place is None
    else:
        assert rejection(event) == ("id", "dated_outside_retention")


# --- times ---


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


# --- parsed elsewhere ---


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
