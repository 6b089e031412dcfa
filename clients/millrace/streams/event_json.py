"""Makes JSON that is right but beyond our parser readable to it, in a way that the field rules then notice.

Used only when parsing failed; the grammar itself is the parser's business. Both leave malformed JSON
malformed, unless the fault lies in what is left out.
"""

from __future__ import annotations

import re
from typing import Final

# Deeper than any field may nest, and far from where a parser gives up.
KEPT_DEPTH: Final = 16
# A body of brackets or backslashes alone is not worth more of our time than this.
MAX_TOKENS: Final = 250_000

# A string without its end reaches to the end of the body. Possessive, or hostile quotes would cost minutes.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})"  # half of one
    rb"|.)",
    re.DOTALL,
)
_QUOTE, _OPENING = ord('"'), b"[{"


def without_half_pairs(body: bytes) -> bytes:
    """The body with a NUL character in the place of every half of a surrogate pair.

    Unchanged when that asks too much.
    """
    if body.count(b"\\") > MAX_TOKENS:
        return body
    return _ESCAPE.sub(lambda found: found[0] if found[1] is None else rb"\u0000", body)


def without_depths(body: bytes) -> bytes:
    """The body with a 0 for whatever nests deeper than KEPT_DEPTH; nothing at all if that asks too much."""
    kept: list[bytes] = []
    depth = kept_to = 0
    for number, token in enumerate(_TOKEN.finditer(body)):
        if number > MAX_TOKENS:
            return b""
        start = token.start()
        if body[start] == _QUOTE:
            continue
        if body[start] in _OPENING:
            depth += 1
            if depth == KEPT_DEPTH + 1:
                kept += body[kept_to:start], b"0"
        else:
            if depth == KEPT_DEPTH + 1:
                kept_to = start + 1
            depth -= 1
    if depth > KEPT_DEPTH:
        return b""
    kept.append(body[kept_to:])
    return b"".join(kept)
