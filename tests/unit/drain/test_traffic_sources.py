"""Where an event came from, as its page and referrer tell."""

from __future__ import annotations

import pytest

from workers.drain.traffic_sources import MAX_SOURCE_CHARACTERS, TrafficSources

SHOP = "https://shop.example/p"
SOURCES = TrafficSources(["Ours.example", "www.brand.example", "local.example:8443"])


@pytest.mark.parametrize(
    ("url", "referrer", "source"),
    [
        (None, None, "direct"),
        (SHOP, None, "direct"),
        (SHOP, "", "direct"),
        (SHOP, "not an address", "direct"),
        # a campaign's own name goes before everything else
        (f"{SHOP}?utm_source=Newsletter", "https://www.google.com/", "newsletter"),
        (f"{SHOP}?a=1&utm_source=%20Spring+Mail%20&gclid=x#utm_source=no", None, "spring mail"),
        (f"{SHOP}?utm_source=", "https://t.co/x", "social"),
        (f"{SHOP}?utm_source=%00", None, "direct"),
        (f"{SHOP}?utm_source=" + "x" * 100, None, "x" * MAX_SOURCE_CHARACTERS),
        (f"{SHOP}#utm_source=fragment", None, "direct"),
        # then what an advertising network added
        (f"{SHOP}?gclid=abc", "https://www.google.com/", "paid_search"),
        (f"{SHOP}?msclkid=abc", None, "paid_search"),
        (f"{SHOP}?fbclid=abc&gclid=abc", None, "paid_social"),
        (f"{SHOP}?li_fat_id=abc", None, "paid_social"),
        (f"{SHOP}?gclid=", None, "direct"),
        # then the referrer's host
        (SHOP, "https://www.google.co.uk/search?q=x", "search"),
        (SHOP, "https://google.de", "search"),
        (SHOP, "https://duckduckgo.com/", "search"),
        (SHOP, "https://notgoogle.com/", "referral"),
        (SHOP, "https://google.evil.example.com/", "referral"),
        (SHOP, "https://l.facebook.com/l.php?u=x", "social"),
        (SHOP, "http://user:secret@t.co:80/x", "social"),
        (SHOP, "https://x.com.", "social"),
        (SHOP, "https://netflix.com/", "referral"),
        (SHOP, "https://mail.google.com/mail/u/0", "email"),
        (SHOP, "https://mail.yahoo.co.jp/", "email"),
        (SHOP, "android-app://com.google.android.gm/", "email"),
        (SHOP, "https://docs.google.com/document/1", "referral"),
        (SHOP, "https://BLOG.example.org:444/post", "referral"),
        (SHOP, "https://[2001:db8::1]:8080/", "referral"),
        # our own hosts are no source
        (SHOP, "https://www.shop.example/other", "direct"),
        (SHOP, "https://ours.example/", "direct"),
        (None, "https://help.ours.example/", "direct"),
        (SHOP, "https://brand.example/", "direct"),
        (SHOP, "https://local.example/", "direct"),
        (SHOP, "https://theirs-ours.example/", "referral"),
    ],
)
def test_source(url: str | None, referrer: str | None, source: str) -> None:
    """Campaign, then click id, then the referrer's class; our own hosts and none at all are direct."""
    assert SOURCES.source_of(url, referrer) == source


def test_addresses_too_long_to_remember() -> None:
    """The longest addresses are judged like all others."""
    url = f"{SHOP}?q={'x' * 2_000}&utm_source=Late"
    assert [SOURCES.source_of(url, None) for _ in range(2)] == ["late", "late"]


def test_a_host_longer_than_any_has_no_class() -> None:
    """Else each of its thousand labels would be looked up, and the drain would do little else."""
    longest = "a." * 124 + "ab.co"
    assert len(longest) == 253
    assert SOURCES.source_of(SHOP, f"https://{longest}/") == "referral"
    assert SOURCES.source_of(SHOP, f"https://a{longest}/") == "direct"
