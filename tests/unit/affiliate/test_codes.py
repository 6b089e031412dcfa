"""Short codes: what is drawn, what is allowed, when they grow."""

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.affiliate.codes import (
    ALPHABET,
    LONGEST,
    RESERVED,
    SHORTEST,
    TRIES_PER_LENGTH,
    CodeLength,
    RefusedCode,
    check_custom_code,
    draw_code,
    normalise_code,
)


def test_alphabet_has_31_letters_and_no_look_alikes() -> None:
    """Nothing in a code can be mistaken for something else in it."""
    assert len(ALPHABET) == len(set(ALPHABET)) == 31
    assert not set(ALPHABET) & set("0o1il")


def test_drawn_codes_use_the_whole_alphabet_and_no_more() -> None:
    """Two thousand codes hold every letter and none from elsewhere, and are distinct."""
    drawn = [draw_code(SHORTEST) for _ in range(2000)]
    assert set("".join(drawn)) == set(ALPHABET)
    assert {len(code) for code in drawn} == {SHORTEST}
    # Two alike among 2,000 of 887 million: once in 440 runs; three alike never.
    assert len(set(drawn)) >= 1999


def test_reserved_word_is_never_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some reserved words can be spelt with the alphabet; chance must not hand them out."""
    assert "assets" in RESERVED
    letters = iter("assets" + "summer")
    monkeypatch.setattr(secrets, "choice", lambda _alphabet: next(letters))
    assert draw_code(6) == "summer"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("summer-sale", "summer-sale"),
        ("SUMMER", "summer"),
        ("  Anna24 ", "anna24"),
        ("abc", "abc"),
        ("---", "---"),
        ("a" * 64, "a" * 64),
    ],
)
def test_custom_code_is_accepted_in_its_normal_form(text: str, code: str) -> None:
    """Case and outer spaces do not matter."""
    assert check_custom_code(text) == code


HOSTILE_CODES = [
    "",
    "ab",
    "a" * 65,
    "api",
    "API",
    " Admin ",
    "l",
    "L",
    ".well-known",
    ".WELL-KNOWN",
    "well-known",
    "a/b",
    "../api",
    "..",
    "a%2fb",
    "%61pi",
    "a b c",
    "abc\x00",
    "abc\u200b",
    "ab\u202ec",
    "snake_case",
    "dot.ted",
    "caf\u00e9",
    "\u0430dmin",  # Cyrillic a
    "\uff41\uff50\uff49",  # full-width api
    "\u212aiosk",  # Kelvin sign, lower-cases to k
    "\u0130stanbul",  # dotted capital I
    "abc?x=1",
    "abc#x",
    "<script>",
    "'; drop table links; --",
    "\U0001f600\U0001f600\U0001f600",
    "\u0661\u0662\u0663",  # Arabic digits
]


@pytest.mark.parametrize("text", HOSTILE_CODES)
def test_hostile_custom_code_is_refused(text: str) -> None:
    """Reserved words, wrong lengths, other alphabets and path tricks are all refused."""
    with pytest.raises(RefusedCode):
        check_custom_code(text)


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_reserved_word_is_refused_in_any_case(word: str) -> None:
    """Reserved words are judged on the normalised value."""
    with pytest.raises(RefusedCode):
        check_custom_code(f" {word.upper()} ")


@given(st.text())
def test_accepted_code_is_its_own_normal_form(text: str) -> None:
    """What was accepted is found again under exactly that spelling."""
    try:
        code = check_custom_code(text)
    except RefusedCode:
        return
    assert normalise_code(code) == code == check_custom_code(code)
    assert code.isascii()


def test_tries_are_five_and_then_five_one_longer() -> None:
    """A link gets at most five tries before its code grows."""
    assert CodeLength().lengths() == (SHORTEST,) * TRIES_PER_LENGTH + (SHORTEST + 1,) * TRIES_PER_LENGTH


def test_one_clash_lengthens_nothing() -> None:
    """Bad luck is not a trend."""
    subject = CodeLength()
    subject.learn(clashed=True)
    assert subject.length == SHORTEST


def test_rising_clash_rate_lengthens_new_codes_once() -> None:
    """A tenth of all draws clashing makes codes longer, and success there keeps them at that length."""
    subject = CodeLength()
    for draw in range(60):
        subject.learn(clashed=draw % 10 == 0)
    assert subject.length == SHORTEST + 1
    for _ in range(1000):
        subject.learn(clashed=False)
    assert subject.length == SHORTEST + 1


def test_length_is_bounded() -> None:
    """Even a table that takes nothing ends at the longest code."""
    subject = CodeLength()
    for _ in range(10_000):
        subject.learn(clashed=True)
    assert subject.length == LONGEST
    assert max(subject.lengths()) == LONGEST
