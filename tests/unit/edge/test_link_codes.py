"""Codes in request paths."""

import pytest

from edge.link_codes import link_code


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("abc234", "abc234"),
        ("ABC234", "abc234"),
        ("spring-sale", "spring-sale"),
        ("%61bc", "abc"),
        ("%20abc%20", "abc"),
        ("abc%0A", "abc"),
        ("a" * 64, "a" * 64),
    ],
)
def test_codes(raw: str, code: str) -> None:
    """Percent-decoded, trimmed, in lower case."""
    assert link_code(raw) == code


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "ab",
        "a" * 65,
        "abc/",
        "abc/def",
        "abc%2Fdef",
        "a_b_c",
        "abc%00",
        "..%2f..",
        "%E2%84%AAabc",  # the Kelvin sign lower-cases to k
        "\u212aabc",
        "abc%C3%A9",
        "%ff%fe",
        "\udcffabc",
        "%61%62" * 100,
        "abc%",
        "abc#x",
    ],
)
def test_no_codes(raw: str) -> None:
    """What can be no code is not looked up."""
    assert link_code(raw) is None
