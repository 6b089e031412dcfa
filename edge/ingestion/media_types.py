"""Which media types a body of events may have. The body itself is not looked at."""

from functools import lru_cache
from typing import Final

from edge.problems import Problem

# `navigator.sendBeacon` sends text as text/plain, which needs no preflight.
READABLE: Final = ("application/json", "text/plain")

_UTF_8 = frozenset({"utf-8", "utf8"})


def require_readable(content_type: str | None) -> None:
    """Raise `Problem` 415 for another type or charset; a body without a type is of no type we read."""
    if content_type is None or not is_readable(content_type):
        raise Problem(
            415,
            detail="Send events as application/json or text/plain, in UTF-8.",
            code="INVALID_ARGUMENT",
            headers={"Accept": ", ".join(READABLE)},
        )


@lru_cache(maxsize=256)
def is_readable(content_type: str) -> bool:
    """Judge the value of a Content-Type header; parameters other than the charset do not matter."""
    media_type, *parameters = content_type.lower().split(";")
    if media_type.strip() not in READABLE:
        return False
    named = (parameter.partition("=") for parameter in parameters)
    return all(value.strip().strip('"') in _UTF_8 for name, _, value in named if name.strip() == "charset")
