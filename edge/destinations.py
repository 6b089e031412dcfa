"""Builds the Location of a redirect: the owner's destination, never anything the visitor chose.

Which link is meant and whether it may be followed is decided in `edge.redirects`.
"""

import re
from urllib.parse import unquote_plus

# Absolute http(s) with a plain ASCII host, no user info, no backslash (browsers read it as a slash).
_FOLLOWABLE = re.compile(r"https?://[a-z0-9.-]+(?::[0-9]{1,5})?(?:[/?#][^\\\x00-\x20\x7f]*)?", re.IGNORECASE)
_UNSAFE_IN_HEADER = re.compile(r"[^\x21-\x7e]")
# Everything outside the characters that RFC 3986 lets stand in a query.
_UNSAFE_IN_QUERY = re.compile(r"[^A-Za-z0-9\-._~!$&'()*+,;=:@/?%]")


def is_followable(destination: str) -> bool:
    """Whether this is an absolute http(s) URL that is safe to send anyone to."""
    return _FOLLOWABLE.fullmatch(destination) is not None


def location(
    destination: str, *, forwarded_query: str = "", click_id_parameter: str | None = None, click_id: str = ""
) -> str:
    """Return the destination as an ASCII header value, with parameters added before its fragment.

    `forwarded_query` is the visitor's raw query string. Its parameters come after the owner's, in order and
    repeated as they were, save those that the owner's URL names already or that would pose as the click id.
    The click id comes last, under its own name.
    """
    if forwarded_query or click_id_parameter:
        destination = _with_parameters(destination, forwarded_query, click_id_parameter, click_id)
    if destination.isascii() and destination.isprintable() and " " not in destination:
        return destination
    return _UNSAFE_IN_HEADER.sub(_percent_encoded, destination)


def _with_parameters(
    destination: str, forwarded_query: str, click_id_parameter: str | None, click_id: str
) -> str:
    address, hash_mark, fragment = destination.partition("#")
    path, _, owned = address.partition("?")
    parts = [owned] if owned else []
    if forwarded_query:
        taken = {_name_of(part) for part in owned.split("&")}
        if click_id_parameter:
            taken.add(click_id_parameter)
        parts += _forwardable(forwarded_query, taken)
    if click_id_parameter:
        parts.append(f"{_UNSAFE_IN_QUERY.sub(_percent_encoded, click_id_parameter)}={click_id}")
    query = "&".join(parts)
    return f"{path}?{query}{hash_mark}{fragment}" if query else destination


def _forwardable(query: str, taken: set[str]) -> list[str]:
    pieces = query.partition("#")[0].split("&")
    return [
        _UNSAFE_IN_QUERY.sub(_percent_encoded, piece)
        for piece in pieces
        if piece and _name_of(piece) not in taken
    ]


def _name_of(piece: str) -> str:
    return unquote_plus(piece.partition("=")[0])


def _percent_encoded(match: re.Match[str]) -> str:
    # surrogateescape gives back the raw bytes of a request line that was not UTF-8.
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogateescape"))
