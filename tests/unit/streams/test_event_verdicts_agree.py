"""Laws of the validation: the fast way and the careful one agree, and what was taken survives its record."""

import contextlib
import json
import struct
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.streams.event_input import EventBatch, MalformedBody, Origin, read_batch
from millrace.streams.event_records import decode_events
from millrace.streams.event_writer import EventWriter
from millrace.streams.functions import EVENTS, EVENTS_ONCE, REPLAY_EVENTS, millrace_library
from millrace.streams.ids import id_bytes_at, id_text
from millrace.streams.keys import StreamKeys
from millrace.streams.redis_address import RedisAddress
from millrace.streams.redis_clock import RedisClock
from millrace.streams.redis_pipe import PipeliningRedis
from millrace.streams.spooled_call import SpooledCall

NOW_MS = 1_790_000_000_123
BASE = id_bytes_at(NOW_MS)
ORIGIN = Origin(human=True, device="mobile", country="DE")
DAY = NOW_MS // 86_400_000

texts = st.text(max_size=140) | st.sampled_from(["", "a", "\0", "\ud800", "x" * 2_048, "x" * 2_049])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(texts, children, max_size=3),
    max_leaves=8,
)
ids = st.sampled_from(
    [
        id_text(id_bytes_at(NOW_MS)),
        id_text(id_bytes_at(NOW_MS - 40 * 86_400_000)),
        "0e5c2c9e-3a4d-4b7f-9c1e-8d2f6a7b5c4d",
    ]
)
times = st.datetimes().map(lambda at: at.isoformat() + "Z") | st.sampled_from(["2026-09-21T13:00:00Z"])
sent_events = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["page_view", "purchase", "add_to_cart"]) | anything,
        "sessionId": st.text(min_size=1, max_size=128) | anything,
    },
    optional={
        "id": ids | anything,
        "userId": texts | anything,
        "productId": texts | anything,
        "url": texts | anything,
        "referrer": texts | anything,
        "metadata": st.dictionaries(texts, anything, max_size=5) | anything,
        "timestamp": times | anything,
        "unknown": anything,
    },
)
good_events = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["page_view", "product_view", "click", "add_to_cart", "purchase"]),
        "sessionId": st.sampled_from(["a", "b", "c", "ü"]),
    },
    optional={
        "id": ids,
        "userId": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
        "url": st.sampled_from(["", "https://shop.example/", "x" * 2_000]),
        "metadata": st.sampled_from([{}, {"a": ["ü"]}, {"note": "x" * 8_000}]),
        "timestamp": st.sampled_from(
            ["2026-09-21T13:00:00Z", "2026-09-01T13:00:00Z", "2030-01-01T00:00:00Z"]
        ),
    },
)


def read(events: list[Any], *, ascii_only: bool = True) -> EventBatch:
    """The verdicts on these events as a bare array."""
    raw = json.dumps(events, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    return read_batch(raw, ORIGIN, now_ms=NOW_MS, base=BASE)


@settings(max_examples=60)
@given(st.lists(sent_events, min_size=1, max_size=4))
def test_a_bad_neighbour_changes_no_verdict(events: list[Any]) -> None:
    """A batch with an event that is none is read one by one; the others fare as they did in the whole."""
    batch, careful = read(events), read([*events, 5])
    assert careful.events == batch.events
    assert careful.rejected[:-1] == batch.rejected
    assert len(batch.events) + len(batch.rejected) == batch.count == len(events)


@settings(max_examples=60)
@given(sent_events)
def test_alone_or_in_a_batch_is_the_same(event: dict[str, Any]) -> None:
    """As it is in an envelope."""
    raw = json.dumps(event).encode()
    alone = read_batch(raw, ORIGIN, now_ms=NOW_MS, base=BASE)
    enveloped = read_batch(b'{"events":[%b]}' % raw, ORIGIN, now_ms=NOW_MS, base=BASE)
    assert alone == enveloped == read([event])


@settings(max_examples=60)
@given(sent_events)
def test_escapes_or_not_is_the_same(event: dict[str, Any]) -> None:
    """Whether characters beyond ASCII are escaped is no matter; half pairs cannot stand without."""
    with contextlib.suppress(UnicodeEncodeError):
        json.dumps(event, ensure_ascii=False).encode()
        assert read([event]) == read([event], ascii_only=False)


@settings(max_examples=200)
@given(st.binary(max_size=60) | st.text('[]{}",:01eE+-.\\ud8tnfa \n', max_size=60).map(str.encode))
def test_no_body_raises_anything_else(body: bytes) -> None:
    """Every body is an answer or malformed."""
    with contextlib.suppress(MalformedBody):
        read_batch(body, ORIGIN, now_ms=NOW_MS)
    with contextlib.suppress(MalformedBody):
        read_batch(b'[{"type":"click","sessionId":"s","metadata":%b}]' % body, ORIGIN, now_ms=NOW_MS)


def records_of(call: SpooledCall) -> list[bytes]:
    """The records that a call appends, in order; those of `mr_events_once` hold one event each."""
    if call.function == EVENTS:
        return [arg for arg in call.args[1 : 1 + int(call.args[0])] if isinstance(arg, bytes)]
    if call.function == REPLAY_EVENTS:
        return [arg for arg in call.args[2 : 2 + int(call.args[1])] if isinstance(arg, bytes)]
    assert call.function == EVENTS_ONCE
    _, head, _, pieces, layout = (arg if isinstance(arg, bytes) else b"" for arg in call.args[:5])
    records, start = [], 0
    for length, _, _, _ in struct.iter_unpack(">IHB7s", layout):
        records.append(head + b"\xdc\x00\x01" + pieces[start : start + length])
        start += length
    assert start == len(pieces)
    return records


@settings(max_examples=60)
@given(st.lists(good_events, min_size=1, max_size=8), st.integers(1, 20), st.integers(1, 4))
def test_what_was_taken_survives_its_records(events: list[Any], times_over: int, shards: int) -> None:
    """Every event comes back from exactly one shard, as it was taken, by the first call and by its replay."""
    keys = StreamKeys(shards=shards)
    # Splitting and encoding need no connection, so none is opened.
    redis = PipeliningRedis(
        RedisAddress.from_url("redis://localhost"), millrace_library(), timeout=1.0, max_in_flight=1
    )
    batch = read(events * times_over)
    writes = EventWriter(redis, keys, RedisClock()).split(batch)
    assert sorted(write.shard for write in writes) == sorted({write.shard for write in writes})
    for write in writes:
        taken = [new.event for new in write.events]
        for call in (write.encode(DAY), write.replay()):
            assert [event for record in records_of(call) for event in decode_events(record)] == taken
            assert SpooledCall.decode(call.encode()) == call
            assert {key.split(b"}")[0] for key in call.keys} == {b"mr:{e%02d" % write.shard}
            if call.function != EVENTS_ONCE:
                assert all(len(record) <= 65_536 for record in records_of(call))
                assert all(len(decode_events(record)) <= 100 for record in records_of(call))
    assert Counter(new.event for write in writes for new in write.events) == Counter(
        new.event for new in batch.events
    )
