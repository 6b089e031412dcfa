"""Strict JSON: what json.loads lets pass is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.rest.json_text import MAX_NESTING, parse_json
from edge.rest.violations import InvalidValueError


@pytest.mark.parametrize(
    "text",
    [
        b"", b" ", b"{", b"{}}", b"{} {}", b"[1,]",
        b'{"a":1,}', b"{'a':1}", b"{a:1}", b"01", b"+1", b".5", b"1.",
        b"NaN", b"Infinity", b"-Infinity", b'{"a":NaN}', b"1e999", b"-1e999",
        b"nul", b"True", b"// c\n{}",
        b'"\t"', b'"\n"', b'"\x00"', b'"\\x41"', b'"\\ud800"', b'"\\ud800 and more"', b'"\\udc00 and more"',
        b'"\\ud800\\u0041 and"', b'{"\\ud800 and more":1}', b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\xaf"',
        b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b"9" * 5000, b"[" * 100_000, b"[" * 5_000 + b"]" * 5_000,
        b"1_000", b"0x10", b'"a', b'{"a"}', b'{"a":}', b"{:1}", b"{1:1}",
    ],
)  # fmt: skip
def test_text_outside_the_grammar_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidValueError):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b'{"a":1,"a":1}', "a"),
        (b'{"a":1,"b":{"c":1,"c":2}}', "c"),
        (b'[{"a":1},{"a":1,"a":2}]', "a"),
        (b'{"a":1,"\\u0061":2}', "a"),
        (b'{"a":":x","a":2}', "a"),
        (b'{"a":"\\":","a":2}', "a"),
        (b'{"a":"\\u003a","a":2}', "a"),
        (b'{"a" : 1, "a" : 2}', "a"),
        (b'{"":1,"":2}', ""),
        (b'{"a":{"x":":::"},"a":{"y":":::"}}', "a"),
    ],
)
def test_a_repeated_key_is_named(text: bytes, name: str) -> None:
    with pytest.raises(InvalidValueError) as refusal:
        parse_json(text)

    assert (refusal.value.field, refusal.value.message) == (name, "is given twice")


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_has_a_limit(opening: str) -> None:
    closing = "]" if opening == "[" else "}"

    def nested(levels: int) -> bytes:
        return (opening * levels + "1" + closing * levels).encode()

    assert parse_json(nested(MAX_NESTING))
    with pytest.raises(InvalidValueError, match="nested deeper than 100"):
        parse_json(nested(MAX_NESTING + 1))


def test_many_shallow_objects_are_no_deep_nesting() -> None:
    text = json.dumps([{"a": ["[[[{{{"]}] * 1_000).encode()

    assert len(parse_json(text)) == 1_000  # type: ignore[arg-type]


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text('a":\\{[,€', max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('a":\\', max_size=3), inner, max_size=3)
    ),
)


@given(values, st.booleans(), st.sampled_from([None, 1]))
def test_what_json_writes_is_read_back(value: object, ascii_only: bool, indent: int | None) -> None:
    """No document without repeated keys is ever refused, however it is spaced and escaped."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()

    assert parse_json(text) == value


@given(
    st.lists(st.tuples(st.text('a":\\ ', max_size=2), values), max_size=5),
    st.sampled_from([":", " : ", ": "]),
)
def test_repeated_keys_never_pass(members: list[tuple[str, object]], colon: str) -> None:
    """The quick look for repeated keys agrees with counting them."""
    text = "{" + ",".join(json.dumps(k) + colon + json.dumps(v) for k, v in members) + "}"
    repeated = len({name for name, _ in members}) < len(members)

    if repeated:
        with pytest.raises(InvalidValueError):
            parse_json(text.encode())
    else:
        assert parse_json(text.encode()) == dict(members)
