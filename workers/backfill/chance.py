"""Chance that repeats itself, and what clicks and visits have in common: hours, weekdays, devices, countries.

No I/O lives here. Whoever starts from the same key and day invents the same, ids included.
"""

from __future__ import annotations

import datetime
import hashlib
import math
import random
from collections.abc import Mapping
from typing import Final, TypeVar

Choice = TypeVar("Choice")

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000

DEVICES: Final = {"mobile": 61, "desktop": 31, "tablet": 7, "other": 1}
COUNTRIES: Final = {"DE": 34, "AT": 11, "CH": 10, "NL": 12, "FR": 13, "GB": 11, "US": 6, "ZZ": 3}

# Shares of a day's visits by UTC hour: a European audience.
_HOURS: Final = (9, 6, 4, 3, 3, 5, 11, 22, 34, 41, 45, 48, 55, 52, 47, 46, 49, 56, 68, 82, 90, 84, 58, 26)
_WEEKDAYS: Final = (1.0, 0.96, 0.97, 1.02, 1.1, 1.26, 1.22)  # from Monday


def chance_of(key: bytes, day: int) -> random.Random:
    """The chance of one thing on one UTC day, counted from 1970; other keys and days have another."""
    seed = hashlib.blake2b(key + day.to_bytes(4, "big"), digest_size=16).digest()
    return random.Random(seed)  # noqa: S311 - repeatable on purpose


def times_of_day(chance: random.Random, day: int, expected: float) -> list[int]:
    """When things happen that day, in milliseconds of it, in order: `expected` of them on an ordinary day."""
    weekday = (datetime.date(1970, 1, 1) + datetime.timedelta(days=day)).weekday()
    expected *= _WEEKDAYS[weekday] * chance.uniform(0.8, 1.2)
    return sorted(_time_of_day(chance) for _ in range(math.floor(expected + chance.random())))


def one_of(chance: random.Random, weights: Mapping[Choice, float]) -> Choice:
    """One of the keys, each as likely as its weight says."""
    return chance.choices(list(weights), weights=list(weights.values()))[0]


def id_at(chance: random.Random, at_ms: int) -> bytes:
    """A UUIDv7 of that Unix time in milliseconds."""
    tail = bytearray(chance.randbytes(10))
    tail[0] = 0x70 | (tail[0] & 0x0F)  # version 7
    tail[2] = 0x80 | (tail[2] & 0x3F)  # the RFC 9562 variant
    return at_ms.to_bytes(6, "big") + tail


def _time_of_day(chance: random.Random) -> int:
    (hour,) = chance.choices(range(24), weights=_HOURS)
    return hour * HOUR_MS + chance.randrange(HOUR_MS)
