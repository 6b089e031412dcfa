"""Destinations: what is accepted, in which spelling, and the hostile ones that are refused."""

import re
from urllib.parse import urlsplit

import idna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from server.affiliate.destinations import DestinationRules, RefusedDestination, check_destination

RULES = DestinationRules.of(
    ["shop.example", "m.shop.example:8443", "bücher.example", "127.0.0.1:3000", "go.example"],
    "https://go.example",
)

ACCEPTED = [
    ("https://shop.example", "https://shop.example/"),
    ("https://shop.example/", "https://shop.example/"),
    ("HTTPS://SHOP.EXAMPLE/A", "https://shop.example/A"),
    ("http://shop.example/p/x?a=1&a=2#top", "http://shop.example/p/x?a=1&a=2#top"),
    ("https://shop.example?x=1", "https://shop.example/?x=1"),
    ("https://shop.example#frag", "https://shop.example/#frag"),
    ("https://shop.example:443/", "https://shop.example/"),
    ("http://shop.example:80/", "http://shop.example/"),
    ("http://shop.example:0080/", "http://shop.example/"),
    ("https://m.shop.example:8443/x", "https://m.shop.example:8443/x"),
    ("http://127.0.0.1:3000/p", "http://127.0.0.1:3000/p"),
    ("https://bücher.example/ü?q=ß", "https://xn--bcher-kva.example/%C3%BC?q=%C3%9F"),
    ("https://BÜCHER.example/", "https://xn--bcher-kva.example/"),
    ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
    ("https://ｓｈｏｐ.example/", "https://shop.example/"),
    ("https://shop。example/", "https://shop.example/"),
    ("https://shop.example/a%20b", "https://shop.example/a%20b"),
    ("https://shop.example//evil.example", "https://shop.example//evil.example"),
    (
        "https://shop.example/?next=https://evil.example/@x",
        "https://shop.example/?next=https://evil.example/@x",
    ),
    ("https://shop.example/l/abc", "https://shop.example/l/abc"),
    ("https://go.example/lamp", "https://go.example/lamp"),
    ("https://go.example/p/l/", "https://go.example/p/l/"),
    ('https://shop.example/"<>`{|}^', "https://shop.example/%22%3C%3E%60%7B%7C%7D%5E"),
]

HOSTILE_DESTINATIONS = [
    # not absolute http(s)
    "",
    " ",
    "shop.example",
    "shop.example/p",
    "/p/x",
    "//shop.example/p",
    "https:shop.example",
    "https:/shop.example",
    "https:///shop.example/",
    "https://",
    "https://?x",
    "javascript:alert(1)//https://shop.example/",
    "data:text/html,https://shop.example/",
    "ftp://shop.example/",
    "file:///etc/passwd",
    "view-source:https://shop.example/",
    "blob:https://shop.example/x",
    "httpss://shop.example/",
    "ws://shop.example/",
    # another host
    "https://evil.example/",
    "https://evil.example/https://shop.example/",
    "https://evil.example/?https://shop.example/",
    "https://evil.example#https://shop.example/",
    # look-alike prefix and suffix
    "https://shop.example.evil.example/",
    "https://shop.exampleevil.example/",
    "https://evil-shop.example/",
    "https://evilshop.example/",
    "https://shop.example.com/",
    "https://www.shop.example/",
    "https://xshop.example/",
    "https://shop-example/",
    "https://shop.example./",
    "https://.shop.example/",
    "https://shop..example/",
    "https://*.shop.example/",
    "https://example/",
    # homographs
    "https://sh\u043ep.example/",  # Cyrillic o
    "https://\u0455hop.example/",  # Cyrillic dze
    "https://shop.\u0435xample/",
    "https://shop\u00b7example/",
    "https://bucher.example/",
    "https://xn--shp-jmc.example/",
    # user info
    "https://shop.example@evil.example/",
    "https://shop.example:pass@evil.example/",
    "https://shop.example:443@evil.example/",
    "https://user@shop.example/",
    "https://user:pw@shop.example/",
    "https://@shop.example/",
    "https://evil.example@shop.example/",
    "https://shop.example%40evil.example/",
    "https://shop.example\uff20evil.example/",  # full-width @
    # backslashes
    "https://evil.example\\@shop.example/",
    "https://shop.example\\@evil.example/",
    "https://shop.example\\.evil.example/",
    "https:\\\\shop.example/",
    "https:/\\evil.example/",
    "https://shop.example\\/p",
    "https://shop.example/\\evil.example",
    "\\\\shop.example/",
    # delimiters in disguise
    "https://shop.example%2f.evil.example/",
    "https://shop.example%00.evil.example/",
    "https://shop.example%23.evil.example/",
    "https://shop.example;.evil.example/",
    "https://shop.example,evil.example/",
    "https://shop.example&evil.example/",
    "https://shop.example\uff0f.evil.example/",  # full-width /
    "https://shop.example\uff1f.evil.example/",  # full-width ?
    "https://shop.example\uff03.evil.example/",  # full-width #
    "https://evil.example\u2100shop.example/",  # a/c in one character
    "https://sh%6fp.example/",
    "https://s\u00adhop.example/",  # soft hyphen, dropped by UTS 46
    "https://sho\u200bp.example/",
    "https://sho\u2060p.example/",
    # white space and controls
    " https://shop.example/",
    "https://shop.example/ ",
    "https://shop.example/a b",
    "https://shop .example/",
    "https://shop.example\t/",
    "ht\ntps://shop.example/",
    "https://shop.example/\r\nSet-Cookie: a=b",
    "https://shop.example/\x00",
    "https://shop.example/\x7f",
    "https://shop.example/\u0085",
    "https://shop.example/\u2028",
    "https://shop.example/\u00a0",
    "https://shop.example/\u202egnp.exe",
    "https://shop.example/\ud800",
    "https://shop.example/%0d%0aSet-Cookie:a=b",
    "https://shop.example/%00",
    "https://shop.example/%7F",
    "https://shop.example/%",
    "https://shop.example/%zz",
    "https://shop.example/%u0041",
    # ports
    "https://shop.example:/",
    "https://shop.example:8443/",
    "https://shop.example:80/",
    "http://shop.example:443/",
    "https://m.shop.example/",
    "https://m.shop.example:8444/",
    "https://shop.example:0/",
    "https://shop.example:65979/",  # 443 + 65536
    "https://shop.example:443443/",
    "https://shop.example:-443/",
    "https://shop.example:+443/",
    "https://shop.example:4\uff143/",
    "https://shop.example:443:443/",
    "http://127.0.0.1/",
    # addresses
    "http://127.1:3000/",
    "http://2130706433:3000/",
    "http://0x7f000001:3000/",
    "http://0x7f.1:3000/",
    "http://0177.0.0.1:3000/",
    "http://127.0.0.01:3000/",
    "http://127.0.0.1.:3000/",
    "http://[::1]:3000/",
    "http://[::ffff:127.0.0.1]:3000/",
    "http://[shop.example]/",
    "http://\u2460\u2461\u2467.0.0.1:3000/",  # circled digits
    # our own links
    "https://go.example/l/abc",
    "https://go.example/l",
    "https://go.example/l/",
    "https://go.example/L/abc",
    "http://go.example/l/abc",
    "https://go.example//l/abc",
    "https://go.example/./l/abc",
    "https://go.example/x/../l/abc",
    "https://go.example/%6c/abc",
    "https://go.example/%6C%2fabc",
    "https://go.example/%256c/abc",
    "https://go.example/%2525252525252525256c/abc",
    "https://go.example/x/%2e%2e/l/abc",
    "https://go.example/x%2f..%2fl/abc",
    "https://go.example/%5cl/abc",
    "https://go.example/l;x=1/abc",
    "https://go.example/l%20/abc",
    "https://GO.example/l/abc?x#y",
    # length
    "https://shop.example/" + "a" * 2048,
    "https://shop.example/" + "\u20ac" * 300,
]


@pytest.mark.parametrize(("url", "spelt"), ACCEPTED)
def test_allowed_destination_is_stored_in_one_spelling(url: str, spelt: str) -> None:
    """Scheme and host in lower case, IDNA, no default port, ASCII throughout."""
    assert check_destination(url, RULES) == spelt


@pytest.mark.parametrize(("_url", "spelt"), ACCEPTED)
def test_stored_spelling_is_accepted_unchanged(_url: str, spelt: str) -> None:
    """Checking again when served changes nothing."""
    assert check_destination(spelt, RULES) == spelt


@pytest.mark.parametrize("url", HOSTILE_DESTINATIONS)
def test_hostile_destination_is_refused(url: str) -> None:
    """None of these is ever a link's destination."""
    with pytest.raises(RefusedDestination):
        check_destination(url, RULES)


def test_empty_allow_list_refuses_everything() -> None:
    """A program without hosts serves no destination."""
    with pytest.raises(RefusedDestination):
        check_destination("https://shop.example/", DestinationRules.of([], "https://go.example"))


def whatwg_host(url: str) -> str:
    """The host as a browser would read it: strip, drop tab and newline, fold backslashes, last @ wins."""
    text = re.sub(r"[\t\r\n]", "", url.strip("".join(map(chr, range(33)))))
    found = re.match(r"https?:[/\\]*([^/\\?#]*)", text, re.IGNORECASE)
    assert found is not None
    host = found[1].rpartition("@")[2]
    host = re.sub(r":[0-9]*$", "", host)
    return idna.encode(host, uts46=True).decode() if not host.isascii() else host.lower()


ALLOWED_NAMES = {entry.partition(":")[0] for entry in RULES.allowed_hosts}

PIECES = st.sampled_from(
    [
        *(
            "https:",
            "http:",
            "HTTPS:",
            "//",
            "/",
            "\\",
            "///",
            "@",
            ":",
            "443",
            "8443",
            ":443",
            ":8443",
            "?",
            "#",
        ),
        *("shop.example", "evil.example", "SHOP.example", "m.shop.example", "go.example", "bücher.example"),
        *(
            ".",
            "..",
            "%2e",
            "%2f",
            "%40",
            "%5c",
            "%00",
            "%0a",
            "l",
            "/l/",
            "\t",
            "\n",
            " ",
            "\u200b",
            "\u00ad",
        ),
        *(
            "。",
            "／",
            "＠",
            "：",
            "？",
            "＃",
            "[",
            "]",
            "[::1]",
            "127.0.0.1",
            "127.1",
            "0x7f",
            "xn--",
            ";",
            "&",
        ),
        *("\u2100", "\u212a", "\u017f", "ß", "İ", "ｓｈｏｐ", "-", "_", "user", "user:pw@"),
    ]
)
URLS = st.one_of(
    st.lists(PIECES, max_size=10).map("".join),
    st.lists(PIECES, max_size=8).map(lambda rest: "https://shop.example" + "".join(rest)),
    st.lists(PIECES, max_size=8).map(lambda rest: "https://" + "".join(rest) + "shop.example/"),
    st.text(max_size=30).map(lambda text: "https://shop.example" + text),
    st.text(max_size=12).map(lambda text: "https://" + text + "/"),
    st.text(max_size=60),
)


@settings(max_examples=3000, deadline=None)
@given(URLS)
def test_every_reader_sees_an_allowed_host(url: str) -> None:
    """Whatever is accepted is read with the same allowed host by urllib, yarl and a browser.

    Both as it was given and as it is stored.
    """
    try:
        spelt = check_destination(url, RULES)
    except RefusedDestination:
        return
    assert spelt.isascii()
    assert spelt.isprintable()
    assert " " not in spelt
    assert check_destination(spelt, RULES) == spelt
    host = urlsplit(spelt).hostname
    assert host in ALLOWED_NAMES
    assert urlsplit(spelt).username is None
    assert URL(spelt).raw_host == host
    assert whatwg_host(spelt) == host
    assert whatwg_host(url) == host
    assert URL(url).raw_host == host
