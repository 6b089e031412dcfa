"""Host names as the allow-list holds them: IDNA-encoded, lower case, with a port only where one is meant.

Reading whole URLs is the business of `destinations`.
"""

import ipaddress
import re

import idna

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_PORT = re.compile(r"[0-9]{1,5}")


class RefusedHost(ValueError):  # noqa: N818 - named for what is so
    """Text that is no plain host name; the message says why."""


def normalise_host(text: str) -> str:
    """A DNS name or dotted IPv4 address in the one spelling we compare; raises RefusedHost.

    International names become their `xn--` form by UTS 46, as browsers do it. Percent signs, empty
    labels (so a trailing dot as well), IPv6 literals and every short or hexadecimal spelling of an
    IPv4 address are refused: clients disagree about them.
    """
    host = text.lower() if text.isascii() else _to_ascii(text)
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise RefusedHost("The host is not a plain host name.")
    if any(label[2:4] == "--" for label in labels):
        _require_true_idna(host)
    if _reads_as_number(labels[-1]):
        _require_dotted_ipv4(host)
    return host


def normalise_allowed_host(text: str) -> str:
    """One entry of the allow-list, `host` or `host:port`; raises RefusedHost.

    An entry without a port means the scheme's own port and no other.
    """
    host, colon, port = text.strip().partition(":")
    if not colon:
        return normalise_host(host)
    return f"{normalise_host(host)}:{parse_port(port)}"


def parse_port(text: str) -> int:
    """A port between 1 and 65535 from ASCII digits; raises RefusedHost."""
    if not _PORT.fullmatch(text) or not 1 <= int(text) <= 65_535:
        raise RefusedHost("The port must be a number from 1 to 65535.")
    return int(text)


def _to_ascii(text: str) -> str:
    try:
        return idna.encode(text, uts46=True, std3_rules=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise RefusedHost("The host is not a valid international host name.") from error


def _require_true_idna(host: str) -> None:
    # `xn--` text that decodes to something else than it claims is shown differently by each browser.
    try:
        if idna.encode(idna.decode(host)).decode("ascii") == host:
            return
    except (idna.IDNAError, UnicodeError, OverflowError) as error:  # the last: digits beyond every character
        raise RefusedHost("The host is not a valid international host name.") from error
    raise RefusedHost("The host is not a valid international host name.")


def _reads_as_number(label: str) -> bool:
    # The WHATWG test for "this host is an IPv4 address": its last label is a number, hexadecimal included.
    return label.isdigit() or bool(re.fullmatch(r"0x[0-9a-f]*", label))


def _require_dotted_ipv4(host: str) -> None:
    try:
        ipaddress.IPv4Address(host)
    except ValueError as error:
        raise RefusedHost("An IPv4 address must be four plain decimal numbers.") from error
