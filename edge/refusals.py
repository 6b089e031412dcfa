"""What is wrong with a request before anybody looks at what it asks for, and what its sender is told.

The kinds are ours, for the metrics. Nothing of the request is repeated.
"""

import re
from typing import Final, NamedTuple

from aiohttp import HttpVersion10, HttpVersion11, hdrs
from aiohttp.http_exceptions import BadHttpMessage, BadHttpMethod, LineTooLong
from aiohttp.http_writer import HttpVersion
from multidict import CIMultiDictProxy

from edge.hosts import is_valid_host
from edge.problems import Problem


class Refusal(NamedTuple):
    """One kind of bad request. Its sender gets the problem, and the end of the connection."""

    kind: str
    problem: Problem


class RefusedError(Exception):
    """Carries a refusal through aiohttp, which wants to be given an exception."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.kind)
        self.refusal = refusal


def _refusal(kind: str, status: int, detail: str, code: str = "INVALID_ARGUMENT") -> Refusal:
    return Refusal(kind, Problem(status, detail=detail, code=code))


MALFORMED: Final = _refusal("malformed", 400, "The request is not well-formed HTTP.")
FRAMING: Final = _refusal("framing", 400, "Where the body ends cannot be told for certain.")
WRONG_HOST: Final = _refusal("host", 400, "Send exactly one valid Host header.")
WRONG_TARGET: Final = _refusal("target", 400, "Ask for a path, or for an http or https URL.")
SLOW_HEAD: Final = _refusal("slow_head", 408, "The request did not arrive in time.", "DEADLINE_EXCEEDED")
TOO_LARGE: Final = _refusal("body_too_large", 413, "The body is too large.")
LONG_TARGET: Final = _refusal("long_target", 414, "The request's URL is too long.")
WRONG_EXPECTATION: Final = _refusal("expectation", 417, "Expect nothing but 100-continue.")
LARGE_HEAD: Final = _refusal("large_head", 431, "The request's headers are too long or too many.")
UNKNOWN_METHOD: Final = _refusal("method", 501, "This method is not known here.", "UNIMPLEMENTED")
UNKNOWN_CODING: Final = _refusal("framing", 501, "Send the body whole or in plain chunks.", "UNIMPLEMENTED")
WRONG_VERSION: Final = _refusal("version", 505, "HTTP/1.0 and HTTP/1.1 are spoken here.", "UNIMPLEMENTED")

# More digits than any length that we would read.
_LONGEST_LENGTH = 15
_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}) [!-~]+ HTTP/([0-9](?:\.[0-9])?)\r\n")


def refusal_of_request(version: HttpVersion, headers: CIMultiDictProxy[str]) -> Refusal | None:
    """Why a request is not served whatever it asks for. HTTP/1.0 may come without a Host."""
    get = headers.get
    if version is not HttpVersion11 and version not in (HttpVersion11, HttpVersion10):
        return WRONG_VERSION
    host = get("Host")
    if host is not None and not is_valid_host(host):
        return WRONG_HOST
    coding = get("Transfer-Encoding")
    if coding is not None:
        return _refusal_of_coding(coding, version)
    length = get("Content-Length")
    if length is not None and len(length) > _LONGEST_LENGTH:
        return TOO_LARGE
    return None


def _refusal_of_coding(coding: str, version: HttpVersion) -> Refusal | None:
    # In HTTP/1.0 there is no such header, so some intermediary has been misled (RFC 9112, 6.1).
    if not coding or version == HttpVersion10:
        return FRAMING
    return None if coding.lower() == "chunked" else UNKNOWN_CODING


def refusal_of_error(error: BaseException | None, received: bytes, line_size: int) -> Refusal:
    """Why a request could not be parsed. `received` is what it began with, as far as that is at hand."""
    if isinstance(error, LineTooLong):
        longest = max(map(len, received.lstrip(b"\r\n").partition(b"\r\n")[0].split(b" ")))
        return LONG_TARGET if longest > line_size else LARGE_HEAD
    if isinstance(error, BadHttpMessage) and error.message == "Too many headers received":
        return LARGE_HEAD
    line = _REQUEST_LINE.match(received)
    if line is not None and line[2] not in {b"1.0", b"1.1"}:
        return WRONG_VERSION
    if line is not None and isinstance(error, BadHttpMethod) and line[1].decode() not in hdrs.METH_ALL:
        return UNKNOWN_METHOD
    return MALFORMED
