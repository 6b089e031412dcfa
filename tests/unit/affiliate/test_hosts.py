"""Entries of the allow-list: one spelling, and nothing that clients read in different ways."""

import pytest

from server.affiliate.hosts import RefusedHost, normalise_allowed_host


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("shop.example", "shop.example"),
        (" Shop.EXAMPLE ", "shop.example"),
        ("localhost", "localhost"),
        ("shop.example:8443", "shop.example:8443"),
        ("shop.example:0443", "shop.example:443"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("127.0.0.1:3000", "127.0.0.1:3000"),
    ],
)
def test_entry_is_kept_in_one_spelling(text: str, entry: str) -> None:
    """Case, spaces and scripts do not matter."""
    assert normalise_allowed_host(text) == entry


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*.shop.example",
        ".shop.example",
        "shop.example.",
        "https://shop.example",
        "shop.example/",
        "shop.example:",
        "shop.example:http",
        "shop.example:0",
        "shop.example:65536",
        "user@shop.example",
        "shop example",
        "shop_example",
        "-shop.example",
        "shop-.example",
        "shop.example\x00",
        "[::1]",
        "::1",
        "0x7f000001",
        "127.1",
        "1.2.3.256",
        "xn--a.example",
        "xn--bcher-kvA\u00fc.example",
        "xn--a" + "9" * 30 + "a" * 20 + ".example",
        "a" * 64 + ".example",
        ".".join(["a" * 60] * 5),
    ],
)
def test_what_is_no_plain_host_is_refused(text: str) -> None:
    """No wildcard, no URL, no ambiguous address."""
    with pytest.raises(RefusedHost):
        normalise_allowed_host(text)
