"""Which id an event gets, and which it may bring."""

import json
from typing import Any

import pytest

from millrace.streams.event_input import read_batch
from millrace.streams.event_records import id_at_place
from millrace.streams.ids import id_bytes, id_bytes_at, id_text, id_time_ms
from tests.unit.streams.event_bodies import DAY_MS, GOOD, HUMAN, NOW_MS, UUID4, only, read, rejection


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
