"""Chooses between a page for people and a problem document for programs by the Accept header."""

from functools import lru_cache

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


def _weights(accept: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for item in accept.split(","):
        media_range, *parameters = (part.strip().lower() for part in item.split(";"))
        weights[media_range] = next((_quality(text[2:]) for text in parameters if text[:2] == "q="), 1.0)
    return weights


def _quality(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def _weight_of(media_type: str, weights: dict[str, float]) -> float:
    ranges = (media_type, media_type.partition("/")[0] + "/*", "*/*")
    return next((weights[each] for each in ranges if each in weights), 0.0)
