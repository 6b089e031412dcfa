"""Inventing a day of clicks on a link: busy evenings, busier weekends, some bots. No I/O lives here.

The clicks and their ids depend on the link, the day and the mean alone: inventing them again gives the same.
"""

from __future__ import annotations

import datetime
import hashlib
import math
import random
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

from millrace.streams.records import Click

Choice = TypeVar("Choice")

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000

# Shares of a day's visits by UTC hour: a European audience.
_HOURS: Final = (9, 6, 4, 3, 3, 5, 11, 22, 34, 41, 45, 48, 55, 52, 47, 46, 49, 56, 68, 82, 90, 84, 58, 26)
_WEEKDAYS: Final = (1.0, 0.96, 0.97, 1.02, 1.1, 1.26, 1.22)  # from Monday
_BOT_SHARE: Final = 0.11
_REPEAT_SHARE: Final = 0.24
_DEVICES: Final = {"mobile": 61, "desktop": 31, "tablet": 7, "other": 1}
_COUNTRIES: Final = {"DE": 34, "AT": 11, "CH": 10, "NL": 12, "FR": 13, "GB": 11, "US": 6, "ZZ": 3}
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
    chance = _chance(link.link_id, day)
    weekday = (datetime.date(1970, 1, 1) + datetime.timedelta(days=day)).weekday()
    expected = mean_clicks * popularity(link.link_id) * _WEEKDAYS[weekday] * chance.uniform(0.8, 1.2)
    times = sorted(_time_of_day(chance) for _ in range(math.floor(expected + chance.random())))
    visitors: list[bytes] = []
    return [_click(chance, link, day * DAY_MS + time_ms, visitors) for time_ms in times]


def popularity(link_id: bytes) -> float:
    """How much a link draws beside an ordinary one, from 0.3 to 3; most draw little."""
    share = int.from_bytes(hashlib.blake2b(link_id, digest_size=4).digest(), "big") / 2**32
    return 0.3 * math.pow(10, share**1.5)


def _chance(link_id: bytes, day: int) -> random.Random:
    seed = hashlib.blake2b(link_id + day.to_bytes(4, "big"), digest_size=16).digest()
    return random.Random(seed)  # noqa: S311 - repeatable on purpose


def _time_of_day(chance: random.Random) -> int:
    (hour,) = chance.choices(range(24), weights=_HOURS)
    return hour * HOUR_MS + chance.randrange(HOUR_MS)


def _click(chance: random.Random, link: PromotedLink, at_ms: int, visitors: list[bytes]) -> Click:
    human = chance.random() >= _BOT_SHARE
    repeat = human and bool(visitors) and chance.random() < _REPEAT_SHARE
    visitor = chance.choice(visitors) if repeat else chance.randbytes(8)
    if human and not repeat:
        visitors.append(visitor)
    return Click(
        click_id=_id_at(chance, at_ms),
        link_id=link.link_id,
        partner_id=link.partner_id,
        product_id=link.product_id,
        at_ms=at_ms,
        human=human,
        unique=human and not repeat,
        visitor=visitor,
        device=_one_of(chance, _DEVICES) if human else "bot",
        referrer_host=_one_of(chance, _REFERRERS) if human else None,
        country=_one_of(chance, _COUNTRIES) if human else "US",
    )


def _one_of(chance: random.Random, weights: Mapping[Choice, int]) -> Choice:
    return chance.choices(list(weights), weights=list(weights.values()))[0]


def _id_at(chance: random.Random, at_ms: int) -> bytes:
    tail = bytearray(chance.randbytes(10))
    tail[0] = 0x70 | (tail[0] & 0x0F)  # version 7
    tail[2] = 0x80 | (tail[2] & 0x3F)  # the RFC 9562 variant
    return at_ms.to_bytes(6, "big") + tail
