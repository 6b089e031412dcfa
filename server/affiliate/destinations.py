"""Where a link may lead: the one check that every destination and fallback URL passes.

It accepts only URLs that every client reads alike, and returns the spelling that is stored and sent.
It fetches nothing and resolves no name.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes, urlsplit

from server.affiliate.hosts import RefusedHost, normalise_allowed_host, normalise_host, parse_port

LONGEST_URL = 2048
DEFAULT_PORTS = {"http": 80, "https": 443}

_SHAPE = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[^/?#]+)(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?(?P<fragment>#.*)?",
    re.IGNORECASE | re.DOTALL,
)
# Controls, invisible format characters (bidi overrides, zero-width), surrogates, private and unassigned
# characters, and every kind of space.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"})
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPED_CONTROL = re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff])")
# Everything that RFC 3986 lets stand in a path, query or fragment, and the percent sign of escapes.
_STANDS = "!$&'()*+,;=:@/?-._~%[]"
_MOST_DECODINGS = 8


class RefusedDestination(ValueError):  # noqa: N818 - named for what is so
    """A URL that no link may lead to; the text says why, in words for the partner."""


@dataclass(frozen=True, slots=True)
class DestinationRules:
    """What the program allows.

    `allowed_hosts`: normalised `host` or `host:port`. `own_host`: the host of our short URLs,
    normalised, whose `/l/` no link may lead to, on whatever port.
    """

    allowed_hosts: frozenset[str]
    own_host: str

    @classmethod
    def of(cls, allowed_hosts: Iterable[str], public_url: str) -> "DestinationRules":
        """Rules from the program's hosts and the base of our short URLs; raises RefusedHost."""
        own_host = urlsplit(public_url).hostname or ""
        return cls(frozenset(map(normalise_allowed_host, allowed_hosts)), own_host)


def check_destination(url: str, rules: DestinationRules) -> str:
    """The URL in the spelling we store and send: pure ASCII, its host exactly an allowed one.

    Raises RefusedDestination. Judging a returned URL again returns it unchanged.
    """
    _require_plain_text(url)
    parts = _SHAPE.fullmatch(url)
    if parts is None:
        raise RefusedDestination("The URL must be absolute and begin with http:// or https:// and a host.")
    scheme = parts["scheme"].lower()
    host, port = _read_authority(parts["authority"], DEFAULT_PORTS[scheme])
    origin = _allowed_origin(scheme, host, port, rules.allowed_hosts)
    path = parts["path"] or "/"
    if host == rules.own_host and _leads_to_a_link(path):
        raise RefusedDestination("The URL must not be one of our own short links.")
    rest = path + (parts["query"] or "")
    fragment = parts["fragment"] or ""
    spelt = origin + quote(rest, safe=_STANDS) + fragment[:1] + quote(fragment[1:], safe=_STANDS)
    return _require_length(spelt)


def _require_plain_text(url: str) -> None:
    _require_length(url)
    if "\\" in url:
        raise RefusedDestination("The URL must not contain a backslash.")
    if any(unicodedata.category(character) in _UNSEEN for character in url):
        raise RefusedDestination("The URL must not contain spaces, control or invisible characters.")
    if _BROKEN_ESCAPE.search(url):
        raise RefusedDestination("The URL contains a percent sign that begins no escape.")
    if _ESCAPED_CONTROL.search(url):
        raise RefusedDestination("The URL must not contain escaped control characters.")


def _require_length(url: str) -> str:
    if len(url) > LONGEST_URL:
        raise RefusedDestination(f"The URL must not be longer than {LONGEST_URL} characters.")
    return url


def _read_authority(authority: str, default_port: int) -> tuple[str, int]:
    if "@" in authority:
        raise RefusedDestination("The URL must not contain a user name or password.")
    host, colon, port = authority.partition(":")
    try:
        return normalise_host(host), parse_port(port) if colon else default_port
    except RefusedHost as error:
        raise RefusedDestination(str(error)) from error


def _allowed_origin(scheme: str, host: str, port: int, allowed_hosts: frozenset[str]) -> str:
    is_default = port == DEFAULT_PORTS[scheme]
    if not (f"{host}:{port}" in allowed_hosts or (is_default and host in allowed_hosts)):
        raise RefusedDestination("The host of this URL is not on the program's list of allowed hosts.")
    return f"{scheme}://{host}" if is_default else f"{scheme}://{host}:{port}"


def _leads_to_a_link(path: str) -> bool:
    """Whether any server in front of ours could read this path as `/l/…`, however it is dressed."""
    plain = path.encode()
    for _ in range(_MOST_DECODINGS):
        decoded = unquote_to_bytes(plain)
        if decoded == plain:
            break
        plain = decoded
    else:
        return True
    segments: list[bytes] = []
    for segment in plain.replace(b"\\", b"/").split(b"/"):
        name = segment.partition(b";")[0].strip()
        if name == b"..":
            del segments[-1:]
        elif name not in {b"", b"."}:
            segments.append(name.lower())
    return segments[:1] == [b"l"]
