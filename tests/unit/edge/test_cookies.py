"""The attributes of the click cookie."""

from http.cookies import SimpleCookie

from edge.cookies import COOKIE_NAME, ClickCookie
from millrace.streams.ids import new_id_bytes
from millrace.streams.links import LinkSnapshot, LinkStatus
from millrace.streams.tracking_cookie import CookieSigner

SIGNER = CookieSigner([("new", "n" * 32), ("old", "o" * 32)])
LINK = LinkSnapshot(
    version=1,
    status=LinkStatus.ACTIVE,
    link_id=new_id_bytes(),
    partner_id=new_id_bytes(),
    product_id=None,
    destination="https://shop.example/",
    fallback_url=None,
    expires_at_ms=None,
    forward_query=False,
    click_id_parameter=None,
    attribution_window_s=2_592_000,
)


def test_the_default_is_a_strict_first_party_cookie() -> None:
    """HttpOnly, Secure, SameSite=Lax, the whole site, for the attribution window, without a domain."""
    line = ClickCookie(SIGNER).header(LINK, new_id_bytes())
    name, _, value = line.partition(": ")
    assert name == "Set-Cookie"
    assert value.endswith("\r\n")
    assert value.count("\r\n") == 1
    morsel = SimpleCookie(value.strip())[COOKIE_NAME]
    assert morsel["max-age"] == "2592000"
    assert morsel["path"] == "/"
    assert morsel["httponly"]
    assert morsel["secure"]
    assert morsel["samesite"] == "Lax"
    assert not morsel["domain"]


def test_the_value_proves_link_and_click() -> None:
    """It is signed by the first key and under 80 characters."""
    click_id = new_id_bytes()
    line = ClickCookie(SIGNER).header(LINK, click_id)
    value = SimpleCookie(line.removeprefix("Set-Cookie: "))[COOKIE_NAME].value
    touch = SIGNER.verify(value, now_ms=1 << 47)
    assert (touch.link_id, touch.click_id) == (LINK.link_id, click_id)
    assert len(value) < 80
    assert ".new." in value


def test_options() -> None:
    """Plain http in development has no Secure; a domain is set when configured."""
    line = ClickCookie(SIGNER, secure=False, domain="shop.example").header(LINK, new_id_bytes())
    assert "Secure" not in line
    assert "; Domain=shop.example;" in line
