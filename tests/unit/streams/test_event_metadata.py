"""The bounds of metadata, and the members of a purchase that have a meaning."""

import json
from typing import Any

import pytest

from millrace.streams.event_input import EventBatch, Origin, read_batch

NOW_MS = 1_790_000_000_123


def read(metadata: bytes, type_: str = "purchase") -> EventBatch:
    """The verdict on an event with this metadata, given as JSON."""
    body = b'[{"type":"%b","sessionId":"s","metadata":%b}]' % (type_.encode(), metadata)
    return read_batch(body, Origin(human=True, device="desktop", country="ZZ"), now_ms=NOW_MS)


def kept(metadata: bytes, type_: str = "purchase") -> bytes | None:
    """What is stored of this metadata."""
    batch = read(metadata, type_)
    assert batch.rejected == []
    return batch.events[0].event.metadata


def nested(levels: int) -> dict[str, Any]:
    """An object of that many levels."""
    document: dict[str, Any] = {"end": 1}
    for _ in range(levels - 1):
        document = {"a": document}
    return document


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (b"null", None),
        (b"{}", b"{}"),
        (b'{ "a" : [ 1 , 2.5, null, true ] }', b'{"a":[1,2.5,null,true]}'),
        (b'{"a":1,"a":2}', b'{"a":2}'),
        (b'{"a":1e2,"b":-0.0,"c":1e-400}', b'{"a":100.0,"b":-0.0,"c":0.0}'),
        (b'{"a":18446744073709551615,"b":-9223372036854775809}',) * 2,
        (b'{"a":%b}' % (b"9" * 4_000),) * 2,
        ('{"a":"ü\\u00fc\\ud83d\\ude00"}'.encode(), '{"a":"üü😀"}'.encode()),
        (b'{"a":"\\\\u0000 spelled out"}',) * 2,
    ],
)
def test_metadata_is_kept_as_compact_json(sent: bytes, stored: bytes | None) -> None:
    """Of repeated keys the last, whole numbers exactly, texts as they are."""
    assert kept(sent, "click") == stored


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({f"k{number}": 1 for number in range(33)}, "too_many_keys"),
        (nested(5), "too_deep"),
        ({"a": [[[[]]]]}, "too_deep"),
        ({"a": "x" * 8_185}, "too_large"),
        ({"a": "ü" * 4_093}, "too_large"),
        ({"a": "\0"}, "unstorable"),
        ({"\0": 1}, "unstorable"),
        ({"a": [{"b": "\0"}]}, "unstorable"),
        ("{}", "wrong_type"),
        ([1], "wrong_type"),
        (5, "wrong_type"),
        (True, "wrong_type"),
    ],
)
def test_metadata_beyond_its_bounds_is_refused(metadata: Any, reason: str) -> None:
    """For any type of event, with the reason."""
    for type_ in ("click", "purchase"):
        (rejected,) = read(json.dumps(metadata).encode(), type_).rejected
        assert (rejected.field, rejected.reason) == ("metadata", reason)


@pytest.mark.parametrize(
    ("metadata", "field", "reason"),
    [
        (b'{"a":1e400}', "metadata", "out_of_range"),
        (b'{"a":' + b"9" * 5_000 + b"}", "metadata", "out_of_range"),
        (b'{"amount":' + b"9" * 5_000 + b"}", "metadata.amount", "out_of_range"),
        (b'{"quantity":-1e309}', "metadata.quantity", "out_of_range"),
        (b'{"currency":"\xff"}', "metadata.currency", "malformed"),
        (b'{"a":"\xff"}', "metadata", "malformed"),
        (b'{"\xff":1}', "metadata", "malformed"),
        (b'{"a":"\\ud800"}', "metadata", "unstorable"),
        (b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "metadata", "too_deep"),
        (b'{"a":' + b"[" * 500 + b"]" * 500 + b"}", "metadata", "too_deep"),
        (b'{"a":"\xff","a":1}', "metadata", "malformed"),
        (b"[" + b"1," * 40_000 + b"1]", "metadata", "too_large"),
        (b"{" + b" " * 65_536 + b"}", "metadata", "too_large"),
    ],
)
def test_what_json_allows_and_we_cannot_keep(metadata: bytes, field: str, reason: str) -> None:
    """Numbers without bounds, bytes that are no text, brackets without end."""
    (rejected,) = read(metadata).rejected
    assert (rejected.field, rejected.reason) == (field, reason)


def test_the_largest_metadata_that_passes() -> None:
    """32 keys, 4 levels and 8 KiB of compact JSON, however much white space there was."""
    assert kept(json.dumps({f"k{number}": 1 for number in range(32)}).encode())
    assert kept(json.dumps(nested(4)).encode())
    assert kept(json.dumps({"a": [[[1]]]}).encode())
    spaced = b" " * 9_000 + json.dumps({"a": "ü" * 4_092}, ensure_ascii=False).encode()
    assert len(kept(spaced) or b"") == 8_192


@pytest.mark.parametrize(
    ("metadata", "stored"),
    [
        ({"amount": 0, "currency": "EUR"}, None),
        ({"amount": 1 << 53, "currency": "EUR", "orderId": "o" * 128, "quantity": 1}, None),
        (
            {"amount": 1999.0, "currency": "EUR", "quantity": 2.0},
            b'{"amount":1999,"currency":"EUR","quantity":2}',
        ),
        ({"amount": None, "currency": None, "orderId": None, "quantity": None}, None),
        ({"currency": "USD"}, None),
    ],
)
def test_a_purchase_that_passes(metadata: dict[str, Any], stored: bytes | None) -> None:
    """Whole numbers may be written with a point, and lose it."""
    compact = json.dumps(metadata, separators=(",", ":")).encode()
    assert kept(compact) == (stored or compact)


@pytest.mark.parametrize(
    ("metadata", "field", "reason"),
    [
        ({"amount": -1, "currency": "EUR"}, "amount", "out_of_range"),
        ({"amount": (1 << 53) + 1, "currency": "EUR"}, "amount", "out_of_range"),
        ({"amount": 19.99, "currency": "EUR"}, "amount", "wrong_type"),
        ({"amount": "1999", "currency": "EUR"}, "amount", "wrong_type"),
        ({"amount": True, "currency": "EUR"}, "amount", "wrong_type"),
        ({"amount": 1999}, "currency", "required"),
        ({"amount": 1999, "currency": "eur"}, "currency", "not_a_currency"),
        ({"amount": 1999, "currency": "EURO"}, "currency", "not_a_currency"),
        ({"amount": 1999, "currency": "EU\n"}, "currency", "not_a_currency"),
        ({"currency": 978}, "currency", "wrong_type"),
        ({"orderId": ""}, "orderId", "empty"),
        ({"orderId": "o" * 129}, "orderId", "too_long"),
        ({"orderId": 7}, "orderId", "wrong_type"),
        ({"quantity": 0}, "quantity", "out_of_range"),
        ({"quantity": 1.5}, "quantity", "wrong_type"),
        ({"quantity": []}, "quantity", "wrong_type"),
    ],
)
def test_a_purchase_that_breaks_a_rule(metadata: dict[str, Any], field: str, reason: str) -> None:
    """The member is named; other types of events may carry the same without meaning it."""
    raw = json.dumps(metadata).encode()
    (rejected,) = read(raw).rejected
    assert (rejected.field, rejected.reason) == (f"metadata.{field}", reason)
    assert kept(raw, "add_to_cart") is not None
