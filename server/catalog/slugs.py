"""How a product's slug is derived from its name. Whether it is still free is the repository's question."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator

from anyascii import anyascii

# Short enough to read; a suffix still fits well below the 200 that a given slug may have.
_MAX_LENGTH = 80
_SUFFIX_LENGTHS = (6, 10, 16, 32)
_NOT_WORD = re.compile(r"[^a-z0-9]+")


def slug_of(name: str) -> str:
    """The name in lower-case ASCII words joined by hyphens, cut at a word; `product` when nothing is left."""
    # Names may be long, and a slug needs only the beginning.
    words = _NOT_WORD.sub("-", anyascii(name[: _MAX_LENGTH * 4]).lower()).strip("-")
    if len(words) > _MAX_LENGTH:
        cut = words[: _MAX_LENGTH + 1].rpartition("-")[0]
        words = cut or words[:_MAX_LENGTH]
    return words or "product"


def slug_candidates(name: str, product_id: str) -> Iterator[str]:
    """Slugs to try in turn: the plain one, then ever longer suffixes that depend on the product id alone.

    Thousands of equal names therefore need no counting, and a product gets the same slug whenever it is
    stored again.
    """
    plain = slug_of(name)
    yield plain
    digest = base64.b32encode(hashlib.sha256(product_id.encode()).digest()).decode().lower()
    for length in _SUFFIX_LENGTHS:
        yield f"{plain}-{digest[:length]}"
