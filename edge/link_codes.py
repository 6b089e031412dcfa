"""Reads the code of a link out of a request path.

Whether a link of that code exists is for `edge.lookup` to find out.
"""

import re
from urllib.parse import unquote_to_bytes

_CODE = re.compile(r"[a-z0-9-]{3,64}")
# Three times the longest code covers one that is percent-encoded throughout, with room for blanks.
_LONGEST_RAW = 256


def link_code(raw: str) -> str | None:
    """Return the normalised code (percent-decoded, trimmed, lower case), or None when it can be no code.

    Only ASCII is folded: a Kelvin sign is not the letter k.
    """
    if _CODE.fullmatch(raw):
        return raw
    if len(raw) > _LONGEST_RAW:
        return None
    decoded = unquote_to_bytes(raw.encode("utf-8", "surrogateescape"))
    if not decoded.isascii():
        return None
    code = decoded.decode("ascii").strip().lower()
    return code if _CODE.fullmatch(code) else None
