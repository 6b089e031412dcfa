"""The ways into the shop that are no affiliate link: searches, campaigns, social media, bookmarks."""

from __future__ import annotations

import random
from typing import Final, NamedTuple

from workers.backfill.chance import one_of


class Entrance(NamedTuple):
    """How a visitor came: the query of the landing page, and what the browser names as its referrer."""

    query: str
    referrer: str | None


_NEWSLETTER: Final = "utm_source=newsletter&utm_medium=email&utm_campaign=weekly"
# A click id is a new one each time.
_ENTRANCES: Final = {
    Entrance("", None): 26,
    Entrance("", "https://www.google.com/"): 27,
    Entrance("", "https://www.bing.com/"): 4,
    Entrance("", "https://duckduckgo.com/"): 3,
    Entrance("gclid={}", "https://www.google.com/"): 8,
    Entrance("fbclid={}", "https://www.facebook.com/"): 4,
    Entrance("", "https://www.instagram.com/"): 8,
    Entrance("", "https://www.youtube.com/"): 3,
    Entrance(_NEWSLETTER, None): 9,
    Entrance("", "https://mail.google.com/"): 2,
    Entrance("", "https://blog.kitchenfinds.example/best-kettles"): 6,
}
# What the partner writes behind the link to the front page, which passes the query on.
PARTNER_QUERY: Final = "utm_source=demo-partner&utm_medium=affiliate"


def some_entrance(chance: random.Random) -> Entrance:
    """A way in, popular ones more often."""
    entrance = one_of(chance, _ENTRANCES)
    return entrance._replace(query=entrance.query.format(f"demo{chance.getrandbits(48):012x}"))
