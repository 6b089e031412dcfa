"""The request target: splits path and query as they came over the wire and decodes them, strictly.

Works on the undecoded text because decoding first would make `%2F` a separator. Knows no route.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from edge.problems import Problem, invalid_field

MAX_QUERY_PARAMETERS = 256

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ENCODED_SLASH = re.compile(r"(%2[Ff])")
_PLAIN = re.compile(r"[!-$&-~]*", re.ASCII)  # printable ASCII without a percent sign
_PLAIN_QUERY = re.compile(r"[!-$&-*,-~]*", re.ASCII)  # also without a plus sign
_ABSOLUTE_FORM = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_DOTS = frozenset({".", ".."})


class Segment(NamedTuple):
    """One path segment, as sent and decoded."""

    raw: str
    text: str

    @property
    def text_keeping_slashes(self) -> str:
        """Decoded but for `%2F`, so that a capture of many segments can still be taken apart."""
        if "%2" not in self.raw:
            return self.text
        parts = _ENCODED_SLASH.split(self.raw)
        return "".join(part if index % 2 else decode(part) for index, part in enumerate(parts))


def split_target(raw: str) -> tuple[str, str]:
    """Path and query of an origin-form or absolute-form target, undecoded.

    Raises `Problem` 400 for a fragment, which no client may send: what it belongs to would be a guess.
    """
    if "#" in raw:
        raise _undecodable("it must have no fragment")
    absolute = None if raw.startswith("/") else _ABSOLUTE_FORM.match(raw)
    if absolute:
        raw = raw[absolute.end() :]
        raw = raw if raw.startswith("/") else f"/{raw}"
    path, _, query = raw.partition("?")
    return path, query


def path_segments(raw_path: str) -> list[Segment]:
    """The path's segments. Raises `Problem` 400 for dot segments, control characters and broken escapes."""
    if not raw_path.startswith("/"):
        raise Problem(400, detail="The path must begin with a slash.")
    parts = raw_path[1:].split("/")
    if _PLAIN.fullmatch(raw_path) and "/." not in raw_path:  # nearly always
        return [Segment(part, part) for part in parts]
    segments = [Segment(part, decode(part)) for part in parts]
    for _, text in segments:
        if "." in text and not _DOTS.isdisjoint(text.split("/")):
            raise Problem(400, detail="The path must have no dot segments.")
    return segments


def query_parameters(raw_query: str) -> list[tuple[str, str]]:
    """Decoded (name, value) pairs in order. Raises `Problem` 400 for broken escapes or too many of them."""
    if not raw_query:
        return []
    pieces = [piece for piece in raw_query.split("&") if piece]
    if len(pieces) > MAX_QUERY_PARAMETERS:
        raise invalid_field("", f"Send at most {MAX_QUERY_PARAMETERS} query parameters.")
    pairs = [piece.partition("=") for piece in pieces]
    if _PLAIN_QUERY.fullmatch(raw_query):
        return [(name, value) for name, _, value in pairs]
    return [(_decode_form(name), _decode_form(value)) for name, _, value in pairs]


def decode(raw: str) -> str:
    """Percent-decode to text. Raises `Problem` 400 for broken escapes, bad UTF-8 and control characters."""
    if _PLAIN.fullmatch(raw):
        return raw
    if _BAD_ESCAPE.search(raw):
        raise _undecodable("a percent sign must be followed by two hexadecimal digits")
    try:
        # Raw bytes above ASCII reach us as surrogate escapes; sent back to bytes, they are judged as UTF-8.
        text = unquote_to_bytes(raw.encode("utf-8", "surrogateescape")).decode("utf-8")
    except UnicodeError:
        raise _undecodable("it must be UTF-8") from None
    if _CONTROL.search(text):
        raise _undecodable("it must have no control characters")
    return text


def _decode_form(raw: str) -> str:
    """In a query, a plus sign is a space."""
    return decode(raw.replace("+", " "))


def _undecodable(why: str) -> Problem:
    return Problem(400, detail=f"The request target cannot be read: {why}.")
