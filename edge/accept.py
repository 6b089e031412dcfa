"""Reads what a client would rather have: a page or a problem document, compressed or plain."""

import re
from functools import lru_cache

_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?", re.ASCII)
_LINE_TYPES = ("application/x-ndjson", "application/json")
_PROBLEM_TYPES = ("application/problem+json", "application/json")


@lru_cache(maxsize=1024)
def prefers_html(accept: str) -> bool:
    """Whether a page serves this client better; a client that takes anything gets the problem document.

    Weights and precedence follow RFC 9110, section 12.5.1. On a tie HTML wins when it was asked for by name.
    """
    weights = _weights(accept)
    html = _weight_of("text/html", weights)
    problem = max(_weight_of(media_type, weights) for media_type in _PROBLEM_TYPES)
    if html == problem:
        return html > 0 and "text/html" in weights
    return html > problem


@lru_cache(maxsize=1024)
def prefers_gzip(accept_encoding: str) -> bool:
    """Whether gzip serves this client at least as well as a plain body. Silence means plain."""
    weights = _weights(accept_encoding)
    gzip = next((weights[name] for name in ("gzip", "x-gzip", "*") if name in weights), 0.0)
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


@lru_cache(maxsize=1024)
def prefers_events(accept: str) -> bool:
    """Whether server-sent events serve this client better than lines of JSON; a tie needs them by name."""
    weights = _weights(accept)
    events = _weight_of("text/event-stream", weights)
    lines = max(_weight_of(media_type, weights) for media_type in _LINE_TYPES)
    if events == lines:
        return events > 0 and "text/event-stream" in weights
    return events > lines


def _weights(accept: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for item in accept.split(","):
        media_range, *parameters = (part.strip().lower() for part in item.split(";"))
        weights[media_range] = next((_quality(text[2:]) for text in parameters if text[:2] == "q="), 1.0)
    return weights


def _quality(text: str) -> float:
    return float(text) if _QUALITY.fullmatch(text) else 0.0


def _weight_of(media_type: str, weights: dict[str, float]) -> float:
    ranges = (media_type, media_type.partition("/")[0] + "/*", "*/*")
    return next((weights[each] for each in ranges if each in weights), 0.0)
