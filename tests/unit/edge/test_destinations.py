"""The Location of a redirect: safe, the owner's, with the options the owner chose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.destinations import is_followable, location

SHOP = "https://shop.example/p/shoe"


@pytest.mark.parametrize(
    ("destination", "query", "expected"),
    [
        (SHOP, "", SHOP),
        (SHOP, "a=1", SHOP + "?a=1"),
        (SHOP + "?a=1", "b=2", SHOP + "?a=1&b=2"),
        (SHOP + "?a=1", "a=2&b=3", SHOP + "?a=1&b=3"),  # the owner's parameters win
        (SHOP + "?a=1", "A=2", SHOP + "?a=1&A=2"),  # names are case-sensitive
        (SHOP + "?a=1&a=2", "b=1", SHOP + "?a=1&a=2&b=1"),
        (SHOP, "b=1&a=2&b=3", SHOP + "?b=1&a=2&b=3"),  # order and repeats are kept
        (SHOP + "?%61=1", "a=2", SHOP + "?%61=1"),  # one name under two spellings
        (SHOP + "?a=1", "%61=2&b", SHOP + "?a=1&b"),
        (SHOP + "?first+name=x", "first%20name=y", SHOP + "?first+name=x"),
        (SHOP + "#top", "a=1", SHOP + "?a=1#top"),  # the fragment stays last
        (SHOP + "?x=1#top", "a=1", SHOP + "?x=1&a=1#top"),
        (SHOP + "?", "a=1", SHOP + "?a=1"),
        (SHOP, "&&a=1&&", SHOP + "?a=1"),
        (SHOP, "a=1#evil", SHOP + "?a=1"),
        (SHOP, "u=https://evil.example/?x", SHOP + "?u=https://evil.example/?x"),
        (SHOP, 'q="<b>"', SHOP + "?q=%22%3Cb%3E%22"),
        (SHOP, "q=é", SHOP + "?q=%C3%A9"),
        (SHOP, "q=\udce9", SHOP + "?q=%E9"),  # not UTF-8 on the wire, passed on as it was
        ("https://shop.example", "a=1", "https://shop.example?a=1"),
    ],
)
def test_forwarded_query(destination: str, query: str, expected: str) -> None:
    """The visitor's parameters follow the owner's and never replace one."""
    assert location(destination, forwarded_query=query) == expected


@pytest.mark.parametrize(
    ("destination", "query", "expected"),
    [
        (SHOP, "", SHOP + "?cid=ID"),
        (SHOP + "?a=1#top", "", SHOP + "?a=1&cid=ID#top"),
        (SHOP, "b=2", SHOP + "?b=2&cid=ID"),
        (SHOP, "cid=forged&b=2", SHOP + "?b=2&cid=ID"),
        (SHOP, "%63id=forged", SHOP + "?cid=ID"),
    ],
)
def test_click_id(destination: str, query: str, expected: str) -> None:
    """The click id comes last, and no visitor can write one."""
    found = location(destination, forwarded_query=query, click_id_parameter="cid", click_id="ID")
    assert found == expected


@given(st.binary(max_size=200).map(lambda sent: sent.decode("utf-8", "surrogateescape")))
def test_no_query_breaks_out_of_the_header_or_changes_the_destination(query: str) -> None:
    """Whatever is forwarded, the header stays one line of visible ASCII that begins with the destination."""
    found = location(SHOP + "?a=1#end", forwarded_query=query)
    assert found.startswith(SHOP + "?a=1")
    assert found.endswith("#end")
    assert found.isascii()
    assert found.isprintable()
    assert " " not in found


def test_a_destination_outside_ascii_is_percent_encoded() -> None:
    """A header value is ASCII, whatever the store held."""
    assert location("https://shop.example/ä b") == "https://shop.example/%C3%A4%20b"


@pytest.mark.parametrize(
    "destination",
    [SHOP, "http://shop.example", "HTTPS://shop.example:8443/a?b#c", "https://xn--bcher-kva.example/"],
)
def test_followable(destination: str) -> None:
    """Absolute http(s) with a plain host."""
    assert is_followable(destination)


@pytest.mark.parametrize(
    "destination",
    [
        "",
        "/relative",
        "//shop.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://shop.example/",
        "https://",
        "https:///path",
        "https://user@shop.example/",
        "https://shop.example:password@evil.example/",
        "https://shop.example\\@evil.example/",
        "https://shop.example/\\evil",
        "https://shop.example/\r\nSet-Cookie: a=b",
        "https://shop.example/a b",
        "https://shöp.example/",
        " https://shop.example/",
        "https://shop.example/\x00",
    ],
)
def test_not_followable(destination: str) -> None:
    """Anything a browser could read otherwise is refused."""
    assert not is_followable(destination)
