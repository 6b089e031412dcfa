"""Hostile bytes for the reader: refused in time with the one error it knows, or read."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.rest.json_reader import JsonReaders
from edge.rest.violations import InvalidValueError
from tests.unit.rest.private_pool import message_class, private_pool

EVERYTHING = "millrace.kinds.v1.Everything"
WELL_KNOWN = "millrace.kinds.v1.WellKnown"
MEBIBYTE = 1 << 20
# A mebibyte takes some ten milliseconds; what grows with the square of the size takes minutes.
TIME_LIMIT_S = 3.0

MANY_MEMBERS = b",".join(b'"%d":1' % number for number in range(90_000))

READERS = JsonReaders(private_pool())

_pieces = st.sampled_from([
    *("{", "}", "[", "]", ":", ",", '"', "\\", "\\u", "\\ud800", "\\n", " ", "\n", "\x00", "null"),
    *("true", "NaN", "-", "+", "0", "1", "9" * 30, ".", "e", "E+", "1e999999", "_", "é", "\u2028", "//"),
    *("\U0001f600", "@type", '"value":', '"any":', '"struct":', '"wellKnown":', '"tree":{"left":'),
    *('"maps":', '"scalars":', '"timestamp":', '"1970-01-01T00:00:00Z"', '"duration":', '"1s"', '"@type":'),
    '"x/google.protobuf.Any"',
])  # fmt: skip
json_like = st.lists(_pieces, max_size=30).map(lambda pieces: "".join(pieces).encode())


def read(text: bytes, name: str = EVERYTHING) -> bool:
    """Whether the text was read; an error of any other kind than ours fails the test."""
    message = message_class(name)()
    try:
        READERS.parse(text, message)
    except InvalidValueError:
        return False
    message.SerializeToString()
    return True


@settings(max_examples=1_000, deadline=None)
@given(st.binary(max_size=80) | json_like | json_like.map(lambda text: b"{" + text + b"}"))
def test_no_text_is_a_surprise(text: bytes) -> None:
    read(text)


@settings(max_examples=300, deadline=None)
@given(
    json_like, st.sampled_from(["value", "struct", "any", "timestamp", "duration", "fieldMask", "int64Value"])
)
def test_no_well_known_type_is_surprised(text: bytes, member: str) -> None:
    read(b'{"' + member.encode() + b'":' + text + b"}", WELL_KNOWN)


@pytest.mark.parametrize(
    ("name", "text", "is_read"),
    [
        (WELL_KNOWN, b"[" * MEBIBYTE, False),
        (WELL_KNOWN, b'{"value":' * (MEBIBYTE // 9), False),
        (WELL_KNOWN, b"[" * (MEBIBYTE // 2) + b"]" * (MEBIBYTE // 2), False),
        (WELL_KNOWN, b'{"value":' + b"[" * 990 + b"]" * 990 + b"}", False),
        (WELL_KNOWN, b'{"value":[' + b"[[[]]]," * (MEBIBYTE // 8) + b"[]]}", True),
        (WELL_KNOWN, b'{"value":' + b"9" * MEBIBYTE + b"}", False),
        (WELL_KNOWN, b'{"value":0.' + b"9" * MEBIBYTE + b"}", True),
        (WELL_KNOWN, b'{"value":1e999999}', False),
        (WELL_KNOWN, b'{"value":1e-999999}', True),
        (WELL_KNOWN, b'{"value":1e' + b"9" * MEBIBYTE + b"}", False),
        (WELL_KNOWN, b'{"value":[' + b"9" * 4_000 + (b"," + b"9" * 4_000) * 250 + b"]}", False),
        (WELL_KNOWN, b'{"int64Value":"' + b"9" * MEBIBYTE + b'"}', False),
        (WELL_KNOWN, b'{"doubleValue":"' + b"9" * MEBIBYTE + b'"}', False),
        (WELL_KNOWN, b'{"bytesValue":"' + b"A" * MEBIBYTE + b'"}', True),
        (WELL_KNOWN, b'{"bytesValue":"' + b"A" * MEBIBYTE + b'*"}', False),
        (WELL_KNOWN, b'{"timestamp":"' + b"1" * MEBIBYTE + b'"}', False),
        (WELL_KNOWN, b'{"duration":"' + b"1" * MEBIBYTE + b's"}', False),
        (WELL_KNOWN, b'{"fieldMask":"' + b"a," * (MEBIBYTE // 2) + b'a"}', True),
        (WELL_KNOWN, b'{"fieldMask":"' + b"a" * MEBIBYTE + b'_"}', False),
        (WELL_KNOWN, b'{"stringValue":"' + b"\\u0041" * (MEBIBYTE // 6) + b'"}', True),
        (WELL_KNOWN, b'{"struct":{' + b'"a":1,' * (MEBIBYTE // 6) + b'"a":1}}', False),
        ("millrace.kinds.v1.Maps", b'{"byInt32":{' + MANY_MEMBERS + b"}}", True),
        ("millrace.kinds.v1.Repeated", b'{"scalars":[' + b"{}," * (MEBIBYTE // 3) + b"{}]}", True),
        ("millrace.kinds.v1.Scalars", b'{"aString":' + b"[" * 990 + b"]" * 990 + b"}", False),
        ("millrace.kinds.v1.Scalars", b'{"aString":' + b"[" * MEBIBYTE, False),
        ("millrace.kinds.v1.Scalars", b'{"' + b"a" * MEBIBYTE + b'":1}', False),
    ],
    ids=lambda value: value[:24].decode() if isinstance(value, bytes) else "",
)  # fmt: skip
def test_a_hostile_mebibyte_is_judged_in_time(name: str, text: bytes, is_read: bool) -> None:
    """Neither depth nor digits nor repetition costs more than the bytes they take."""
    started = time.process_time()

    assert read(text, name) is is_read

    assert time.process_time() - started < TIME_LIMIT_S


@pytest.mark.parametrize(
    ("text", "is_read"),
    [
        (b'{"left":' * 99 + b"{}" + b"}" * 99, True),
        (b'{"left":' * 100 + b"{}" + b"}" * 100, False),
        (b'{"left":' * 30 + b'{"note":' + b"[" * 20 + b"]" * 20 + b"}" * 31, True),
        # 81 levels of JSON, but 121 of messages: nobody could read what we would send.
        (b'{"left":' * 40 + b'{"note":' + b"[" * 40 + b"]" * 40 + b"}" * 41, False),
    ],
    ids=["100", "101", "mixed", "mixed too deep"],
)
def test_depth_is_counted_over_all_kinds_of_nesting(text: bytes, is_read: bool) -> None:
    tree = message_class("millrace.kinds.v1.Tree")

    assert read(text, "millrace.kinds.v1.Tree") is is_read

    if is_read:
        filled = tree()
        READERS.parse(text, filled)
        assert tree.FromString(filled.SerializeToString()) == filled


def test_packed_any_may_be_as_deep_as_the_text() -> None:
    """Each level is bytes to the one above, so the limit of messages within messages is not reached."""
    opening = b'{"@type":"x/google.protobuf.Any","value":'
    text = opening * 98 + b"{}" + b"}" * 98

    assert read(b'{"any":' + text + b"}", WELL_KNOWN)
