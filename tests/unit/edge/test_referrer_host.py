"""Only the host of a Referer is kept."""

import pytest

from edge.redirects import referrer_host


@pytest.mark.parametrize(
    ("referrer", "host"),
    [
        (None, None),
        ("", None),
        ("https://Blog.Example/a/b?user=me", "blog.example"),
        ("http://blog.example:8080/", "blog.example"),
        ("https://blog.example", "blog.example"),
        ("https://me:secret@blog.example/", None),
        ("android-app://com.example/", None),
        ("https://" + "a" * 101 + "/", None),
        ("https://bl\udcffg.example/", None),
    ],
)
def test_referrer_host(referrer: str | None, host: str | None) -> None:
    """No path, no query, no user; nothing for what is not plain http(s)."""
    assert referrer_host(referrer) == host
