"""Where a visit came from, told by the page's address and its referrer. No I/O lives here.

In this order: `utm_source`; the class of an advertising network's click id; the class of the referrer's host;
`direct` without a referrer, or with one of our own.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_plus

from workers.drain.traffic_hosts import (
    CLASS_OF_HOST,
    CLASS_OF_LABEL,
    CLASS_OF_NAME,
    CLICK_IDS,
    REFERRING,
)

DIRECT: Final = "direct"
REFERRAL: Final = "referral"
MAX_SOURCE_CHARACTERS: Final = 64
# Seldom more than a shop has pages on one day; addresses are up to 2 KiB, and those above this go uncached.
_CACHED: Final = 8_192
_CACHED_CHARACTERS: Final = 300
# The longest name that DNS has. Every domain above a host is looked up, which strangers could make thousands.
_LONGEST_HOST: Final = 253


class TrafficSources:
    """Constructor: our own hosts, `host` or `host:port`; their subdomains are ours too."""

    def __init__(self, own_hosts: Iterable[str]) -> None:
        self._own = frozenset(bare_host(host) for host in own_hosts)
        self._remembered = lru_cache(maxsize=_CACHED)(self._decide)

    def source_of(self, url: str | None, referrer: str | None) -> str:
        """The source of an event on page `url`: never empty, at most 64 characters."""
        if referrer is None and (url is None or "?" not in url):
            return DIRECT
        if len(url or "") + len(referrer or "") > _CACHED_CHARACTERS:
            return self._decide(url, referrer)
        return self._remembered(url, referrer)

    def _decide(self, url: str | None, referrer: str | None) -> str:
        if url is not None and (campaign := campaign_source(url)) is not None:
            return campaign
        host = host_of(referrer or "")
        if not host or self._is_own(host) or (url is not None and host == host_of(url)):
            return DIRECT
        return class_of_host(host)

    def _is_own(self, host: str) -> bool:
        return any(domain in self._own for domain in _domains(host))


def campaign_source(url: str) -> str | None:
    """What the address's query says of a campaign: `utm_source`, else the class of a click id."""
    query = url.partition("?")[2].partition("#")[0]
    paid = None
    for pair in query.split("&") if query else ():
        name, _, value = pair.partition("=")
        if name == "utm_source":
            source = unquote_plus(value).strip().lower()[:MAX_SOURCE_CHARACTERS].strip()
            # PostgreSQL stores no NUL; a name that holds one is none.
            if source and "\x00" not in source:
                return source
        elif value and paid is None:
            paid = CLICK_IDS.get(name)
    return paid


def host_of(url: str) -> str:
    """The host in an address, bare (see `bare_host`); empty where there is none, or one that is too long."""
    scheme, found, rest = url.partition("://")
    if not found or not scheme:
        return ""
    for end in "/?#":
        rest = rest.partition(end)[0]
    host = bare_host(rest.rpartition("@")[2])
    return host if len(host) <= _LONGEST_HOST else ""


def bare_host(host: str) -> str:
    """Lower case, without port, last dot, and the `www.` that changes nothing."""
    name = host.strip().lower()
    if not name.startswith("["):  # an IPv6 address has colons of its own
        name = name.partition(":")[0]
    return name.rstrip(".").removeprefix("www.")


def class_of_host(host: str) -> str:
    """`search`, `social`, `email`, else `referral`."""
    if host in REFERRING:
        return REFERRAL
    for domain in _domains(host):
        if domain in CLASS_OF_HOST:
            return CLASS_OF_HOST[domain]
    labels = host.split(".")
    for at in (-2, -3):  # google.de, google.co.uk
        if len(labels) >= -at and labels[at] in CLASS_OF_NAME:
            return CLASS_OF_LABEL.get(labels[0], CLASS_OF_NAME[labels[at]])
    return REFERRAL


def _domains(host: str) -> Iterable[str]:
    """The host and all domains above it, longest first."""
    while host:
        yield host
        host = host.partition(".")[2]
