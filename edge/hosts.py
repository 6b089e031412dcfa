"""Judges the Host header; that there is exactly one, the HTTP parser has seen to."""

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address

_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[([0-9A-Fa-f:.]{2,45})\])(?::([0-9]{1,5}))?")
_HIGHEST_PORT = 65_535


@lru_cache(maxsize=1024)
def is_valid_host(host: str) -> bool:
    """Whether this is a name or an address, with or without a port."""
    match = _HOST.fullmatch(host)
    if match is None or int(match[2] or 0) > _HIGHEST_PORT:
        return False
    return match[1] is None or _is_ipv6(match[1])


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True
