"""Patterns: RE2's in the dialect of JSON Schema, and ranges of whole numbers."""

import random
import re

import jsonschema_rs
import pytest

from edge.openapi.patterns import portable_pattern
from edge.openapi.ranges import integer_pattern


@pytest.mark.parametrize(
    ("written", "portable"),
    [
        ("^[A-Z]{3}$", "^[A-Z]{3}$"),
        (r"\Aab\z", "^ab$"),
        (r"^[[:alpha:]_]+$", "^[A-Za-z_]+$"),
        (r"[^\x{2028}]", r"[^\u2028]"),
        (r"\x{1F600}", "\U0001f600"),
        (r"^\Qa.b*\E$", r"^a\.b\*$"),
        (r"(?P<year>[0-9]{4})", "(?:[0-9]{4})"),
        (r"^\S+\s\S+$", r"^[^\t\n\f\r ]+[\t\n\f\r ][^\t\n\f\r ]+$"),
        (r"[^\s/]", r"[^\t\n\f\r /]"),
        (r"[]a]", r"[\]a]"),
        (r"[a[b]", r"[a\[b]"),
        (r"\[\s\]", r"\[[\t\n\f\r ]\]"),
    ],
)
def test_re2_is_spelled_for_readers_of_json_schema(written: str, portable: str) -> None:
    """What RE2 spells in its own way is spelled as ECMA-262 does."""
    assert portable_pattern(written) == portable


@pytest.mark.parametrize(
    "written", [r"\pL", r"\p{Greek}", "(?i)a", "(?s).", r"[\S]", r"\C", r"a\Z", "[[:^alpha:]]", "("]
)
def test_what_cannot_be_said_alike_everywhere_is_left_out(written: str) -> None:
    """A pattern that readers would understand differently, or not at all, is no pattern of the document."""
    assert portable_pattern(written) is None


RANGES = [
    (0, 0), (7, 7), (0, 9), (1, 365), (0, 365), (60, 604_800), (100, 199), (19, 8731), (-9, -2), (-30, 0),
    (-5, 3), (-(10**9) + 1, 10**9 - 1), (0, 10**19 - 1), (1, 10**19 - 1), (1, 2**62), (-(2**31), 2**31 - 1),
]  # fmt: skip


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_a_range_takes_its_numbers_and_no_others(low: int, high: int) -> None:
    """Ends, neighbours of ends and numbers between and beside them."""
    near = [end + step for end in (low, high) for step in range(-12, 13)]
    rng = random.Random(low * 31 + high)  # noqa: S311 - the same draws every time
    drawn = [rng.randint(low, high) for _ in range(300)]
    drawn += [rng.randint(low - 200, high + 200) for _ in range(300)]
    pattern = re.compile(integer_pattern(low, high))
    for number in [*near, *drawn, 0]:
        assert bool(pattern.search(str(number))) == (low <= number <= high), number


def test_ranges_have_no_leading_zeros_and_nothing_around_them() -> None:
    """The whole text is the number, in its one usual spelling."""
    validator = jsonschema_rs.Draft202012Validator({"pattern": integer_pattern(1, 365)})
    assert [text for text in ("1", "01", "1 ", "1\n", "x1", "1.0", "+1", "") if validator.is_valid(text)] == [
        "1"
    ]
