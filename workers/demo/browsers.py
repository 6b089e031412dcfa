"""What visitors bring: a browser or a crawler, an address, a country, a way of sending events."""

from __future__ import annotations

import ipaddress
import random
from typing import Final, NamedTuple

from workers.backfill.chance import COUNTRIES, DEVICES, one_of

# Of addresses that no real visitor has: carriers use them behind their own translation.
_ADDRESSES: Final = ipaddress.ip_network("100.64.0.0/10")

_WEBKIT: Final = "AppleWebKit/537.36 (KHTML, like Gecko)"
_SAFARI: Final = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6"
PEOPLE: Final = {
    "mobile": (
        f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT} Chrome/141.0.0.0 Mobile Safari/537.36",
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) {_SAFARI} Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (Android 15; Mobile; rv:143.0) Gecko/143.0 Firefox/143.0",
    ),
    "desktop": (
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/141.0.0.0 Safari/537.36",
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_SAFARI} Safari/605.1.15",
        "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
    ),
    "tablet": (f"Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) {_SAFARI} Mobile/15E148 Safari/604.1",),
    "other": ("Mozilla/5.0 (PlayStation; PlayStation 5/9.00) AppleWebKit/605.1.15 (KHTML, like Gecko)",),
}
BOTS: Final = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
)


class Browser(NamedTuple):
    """One visitor's end of the line.

    `gathers`: sends the events of a page together, with times by its own clock, which is `clock_ms` ahead of
    ours; otherwise each event goes alone and at once.
    """

    user_agent: str
    address: str
    country: str
    gathers: bool
    clock_ms: int

    def headers(self) -> dict[str, str]:
        """What every request of this visitor carries; the edge believes the two last from this machine."""
        return {
            "User-Agent": self.user_agent,
            "X-Forwarded-For": self.address,
            "CF-IPCountry": self.country,
        }


def some_person(chance: random.Random) -> Browser:
    """Somebody new."""
    agents = PEOPLE[one_of(chance, DEVICES)]
    return Browser(
        user_agent=chance.choice(agents),
        address=_address(chance),
        country=one_of(chance, COUNTRIES),
        gathers=chance.random() < 0.5,
        # One clock in twenty is minutes off.
        clock_ms=chance.randrange(-300_000, 300_000) if chance.random() < 0.05 else 0,
    )


def some_bot(chance: random.Random) -> Browser:
    """A crawler that runs the shop's scripts."""
    return Browser(chance.choice(BOTS), _address(chance), "US", gathers=False, clock_ms=0)


def _address(chance: random.Random) -> str:
    return str(_ADDRESSES[chance.randrange(1, _ADDRESSES.num_addresses - 1)])
