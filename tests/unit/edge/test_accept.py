"""Page or problem document."""

import pytest

from edge.accept import prefers_html

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    "accept", [CHROME, "text/html", "TEXT/HTML", "text/*", "text/html, application/json"]
)
def test_pages_for_browsers(accept: str) -> None:
    """Whoever names or weighs HTML higher gets the page."""
    assert prefers_html(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "application/problem+json, text/html;q=0.9",
        "text/html;q=0",
        ";;,,q=",
        "image/png",
    ],
)
def test_problems_for_programs(accept: str) -> None:
    """Everybody else gets the problem document."""
    assert not prefers_html(accept)
