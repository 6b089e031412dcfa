"""Judges the Host header; that there is exactly one, the HTTP parser has seen to."""

import re
from functools import lru_cache

_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?")
_HIGHEST_PORT = 65_535


@lru_cache(maxsize=1024)
def is_valid_host(host: str) -> bool:
    """Whether this is a name or an address, with or without a port."""
    match = _HOST.fullmatch(host)
    return match is not None and int(match[1] or 0) <= _HIGHEST_PORT
