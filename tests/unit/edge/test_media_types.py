"""Under which names events are read."""

import pytest

from edge.ingestion.media_types import is_readable


@pytest.mark.parametrize(
    ("content_type", "readable"),
    [
        ("application/json", True),
        ("APPLICATION/JSON", True),
        (" text/plain ", True),
        ("text/plain;charset=UTF-8", True),
        ('application/json; charset="utf8"', True),
        ("application/json;", True),
        ("application/json; version=2", True),
        ("text/plain; charset=us-ascii", False),
        ("application/json; charset=", False),
        ("application/problem+json", False),
        ("text/html", False),
        ("text", False),
        ("", False),
        ("application/json, application/json", False),
    ],
)
def test_a_type_is_read_or_not(content_type: str, readable: bool) -> None:
    """By its name in any case, and by its charset where it names one."""
    assert is_readable(content_type) is readable
