"""What every question about a range begins with: its zone and bounds, and how far it is counted."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from server.analytics.errors import refused_range
from server.analytics.figures import Freshness, freshness
from server.analytics.ranges import BadRange, Range, read_range, read_zone

# The instant before which everything accepted is counted; None when that cannot be known at the moment.
CompleteUntil = Callable[[], Awaitable[datetime | None]]
# The IANA name of the program's time zone.
FindTimeZone = Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class RangeAsked:
    """A range as a caller gives it; empty texts mean the defaults."""

    start: str = ""
    end: str = ""
    timezone: str = ""
    interval: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A range that was understood, and how far it is counted."""

    range: Range
    freshness: Freshness


class Questions:
    """Constructor: who knows until when records are counted, and who knows the program's time zone."""

    def __init__(self, *, complete_until: CompleteUntil, find_time_zone: FindTimeZone) -> None:
        self._complete_until = complete_until
        self._find_time_zone = find_time_zone

    async def read(self, asked: RangeAsked) -> Question:
        """Read the range as of now; the counts read afterwards hold at least what the answer claims.

        Raises InvalidArgument naming `start`, `end`, `timezone` or `interval`.
        """
        # As exact as the streams' own time, or what is counted up to now would seem to lie before it.
        now = datetime.fromtimestamp(time.time_ns() // 1_000_000 / 1000, UTC)
        name = asked.timezone or await self._find_time_zone()
        try:
            found = read_range(asked.start, asked.end, read_zone(name), asked.interval, now=now)
        except BadRange as bad:
            raise refused_range(bad) from bad
        return Question(found, freshness(await self._complete_until(), found.end, now))
