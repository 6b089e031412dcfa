"""Inventing a day of clicks on a link: some people who come again, some bots. No I/O lives here.

The clicks and their ids depend on the link, the day and the mean alone: inventing them again gives the same.
"""

from __future__ import annotations

import hashlib
import math
import random
from typing import Final, NamedTuple

from millrace.streams.records import Click
from workers.backfill.chance import COUNTRIES, DAY_MS, DEVICES, chance_of, id_at, one_of, times_of_day

_BOT_SHARE: Final = 0.11
_REPEAT_SHARE: Final = 0.24
_REFERRERS: Final = {
    None: 30,
    "www.google.com": 24,
    "www.instagram.com": 18,
    "www.youtube.com": 12,
    "www.facebook.com": 8,
    "t.co": 5,
    "duckduckgo.com": 3,
}


class PromotedLink(NamedTuple):
    """A link as its clicks name it."""

    link_id: bytes
    partner_id: bytes
    product_id: str | None


def clicks_of_day(link: PromotedLink, day: int, *, mean_clicks: float) -> list[Click]:
    """The clicks of a UTC day, counted from 1970, in order of their ids.

    `mean_clicks` is what a link of ordinary popularity gets on an ordinary day; links differ tenfold.
    """
    chance = chance_of(link.link_id, day)
    times = times_of_day(chance, day, mean_clicks * popularity(link.link_id))
    visitors: list[bytes] = []
    return [_click(chance, link, day * DAY_MS + time_ms, visitors) for time_ms in times]


def popularity(link_id: bytes) -> float:
    """How much a link draws beside an ordinary one, from 0.3 to 3; most draw little."""
    share = int.from_bytes(hashlib.blake2b(link_id, digest_size=4).digest(), "big") / 2**32
    return 0.3 * math.pow(10, share**1.5)


def _click(chance: random.Random, link: PromotedLink, at_ms: int, visitors: list[bytes]) -> Click:
    human = chance.random() >= _BOT_SHARE
    repeat = human and bool(visitors) and chance.random() < _REPEAT_SHARE
    visitor = chance.choice(visitors) if repeat else chance.randbytes(8)
    if human and not repeat:
        visitors.append(visitor)
    return Click(
        click_id=id_at(chance, at_ms),
        link_id=link.link_id,
        partner_id=link.partner_id,
        product_id=link.product_id,
        at_ms=at_ms,
        human=human,
        unique=human and not repeat,
        visitor=visitor,
        device=one_of(chance, DEVICES) if human else "bot",
        referrer_host=one_of(chance, _REFERRERS) if human else None,
        country=one_of(chance, COUNTRIES) if human else "US",
    )
