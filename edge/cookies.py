"""Writes the cookie by which a later order finds the click that led to it.

Its value is signed and read in `millrace.streams.tracking_cookie`; here are only its attributes.
"""

from millrace.streams.links import LinkSnapshot
from millrace.streams.tracking_cookie import CookieSigner

COOKIE_NAME = "mr_click"


class ClickCookie:
    """Makes `Set-Cookie` lines: for the whole site, out of reach of scripts, kept on following a link."""

    def __init__(self, signer: CookieSigner, *, secure: bool = True, domain: str | None = None) -> None:
        self._sign = signer.sign
        shared_with = f"; Domain={domain}" if domain else ""
        only_by_tls = "; Secure" if secure else ""
        self._attributes = f"; Path=/{shared_with}; HttpOnly{only_by_tls}; SameSite=Lax"

    def header(self, link: LinkSnapshot, click_id: bytes) -> str:
        """Return one whole header line. The cookie lives as long as the click can earn a commission."""
        value = self._sign(link.link_id, click_id)
        return f"Set-Cookie: {COOKIE_NAME}={value}; Max-Age={link.attribution_window_s}{self._attributes}\r\n"
