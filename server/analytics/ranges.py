"""Which time a question is about: its zone, its bounds in quarter hours, and the intervals within it.

Pure rules. Bounds are instants in UTC on quarter hours; the calendar is the zone's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

QUARTER: Final = timedelta(minutes=15)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
LONGEST: Final = timedelta(days=400)
USUAL: Final = timedelta(days=30)
MOST_INTERVALS: Final = 1_500

# The longest range that gets intervals of this length unless others are asked for.
_USUAL_INTERVALS: Final = ((2 * DAY, "hour"), (92 * DAY, "day"), (190 * DAY, "week"), (LONGEST, "month"))
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
# Days before and after them would leave the calendar in some zones.
_FIRST: Final = datetime(1970, 1, 2, tzinfo=UTC)
_LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)


class BadRange(ValueError):  # noqa: N818 - it names what is so
    """A range that cannot be read; `field` is `start`, `end`, `timezone` or `interval`."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` to before `end`."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Range:
    """A period with the zone of its days and the length of its intervals (`hour`, `day`, `week`, `month`)."""

    start: datetime
    end: datetime
    zone: ZoneInfo
    interval: str

    def intervals(self) -> list[Period]:
        """The parts of the range, oldest first and without gaps; the first and the last may be cut."""
        bounds = [self.start, *self._bounds()]
        return [Period(*pair) for pair in zip(bounds, [*bounds[1:], self.end], strict=True)]

    def previous(self) -> Period:
        """The period before, as long by the zone's calendar: before a month of days as many days."""
        start, end = (_wall(at, self.zone) for at in (self.start, self.end))
        first = floor_quarter(first_instant(start - (end - start), self.zone))
        # A range within the hour that clocks repeat has no length of its own on the wall.
        return Period(first if first < self.start else self.start - (self.end - self.start), self.start)

    def _bounds(self) -> Iterator[datetime]:
        at = self.start
        while True:
            following = floor_quarter(next_bound(at, self.zone, self.interval))
            # A day that a zone left out has no length.
            at = max(following, at + QUARTER)
            if at >= self.end:
                return
            yield at


def read_range(start: str, end: str, zone: ZoneInfo, interval: str, *, now: datetime) -> Range:
    """The range that a request means; empty texts mean the defaults. Raises BadRange.

    A date is its first moment in `zone`. `start` is rounded down to a quarter hour, `end` up.
    """
    until = _read_bound("end", end, zone) if end else now
    since = _read_bound("start", start, zone) if start else until - USUAL
    culprit = "end" if end else "start"
    if since >= until:
        raise BadRange(culprit, "must be later than start" if end else "must lie in the past")
    length = _wall(until, zone) - _wall(since, zone)
    if length > LONGEST:
        raise BadRange(culprit, f"a range has at most {LONGEST.days} days")
    chosen = interval or next(name for most, name in _USUAL_INTERVALS if length <= most)
    found = Range(floor_quarter(since), ceil_quarter(until), zone, chosen)
    if chosen == "hour" and (found.end - found.start) / HOUR > MOST_INTERVALS:
        raise BadRange("interval", f"gives more than {MOST_INTERVALS:,} intervals; choose a longer one")
    return found


def read_zone(name: str) -> ZoneInfo:
    """The zone of an IANA name; raises BadRange."""
    try:
        return ZoneInfo(name)
    # ZoneInfo reads a file: what is no key at all ("../x", "Europe") fails in ways of its own.
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadRange("timezone", "must be an IANA name such as Europe/Berlin") from error


def first_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first instant at which clocks in the zone show `wall` (naive), or have jumped beyond it."""
    earlier = wall.replace(tzinfo=zone).astimezone(UTC)
    if _wall(earlier, zone) == wall:
        return earlier
    return _jump_between(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), earlier, zone)


def next_bound(at: datetime, zone: ZoneInfo, interval: str) -> datetime:
    """Where the hour, day, week (from Monday) or month of the zone that holds `at` ends."""
    wall = _wall(at, zone)
    if interval == "hour":
        # Not by the wall: an hour that clocks repeat is two hours.
        return at + HOUR - timedelta(minutes=wall.minute, seconds=wall.second, microseconds=wall.microsecond)
    following = wall.date() + DAY
    if interval == "week":
        following = wall.date() + timedelta(days=7 - wall.weekday())
    if interval == "month":
        following = date(wall.year + wall.month // 12, wall.month % 12 + 1, 1)
    return first_instant(datetime.combine(following, time()), zone)


def day_start(at: datetime, zone: ZoneInfo) -> datetime:
    """Where the zone's day that holds `at` began."""
    return first_instant(datetime.combine(_wall(at, zone).date(), time()), zone)


def floor_quarter(at: datetime) -> datetime:
    """The start of the quarter hour that holds the instant, in UTC."""
    at = at.astimezone(UTC)
    return at - timedelta(minutes=at.minute % 15, seconds=at.second, microseconds=at.microsecond)


def ceil_quarter(at: datetime) -> datetime:
    """The first start of a quarter hour at or after the instant, in UTC."""
    floor = floor_quarter(at)
    return floor if floor == at else floor + QUARTER


def _read_bound(field: str, text: str, zone: ZoneInfo) -> datetime:
    is_date = _DATE.fullmatch(text) is not None
    if not is_date and _INSTANT.fullmatch(text) is None:
        raise BadRange(
            field,
            "must be a date such as 2026-11-01 or an instant such as 2026-11-01T00:00:00+01:00 "
            "(in a URL, + is written %2B)",
        )
    try:
        given = datetime.fromisoformat(text.upper())
        at = first_instant(given, zone) if is_date else given.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadRange(field, "is not in the calendar") from error
    if not _FIRST <= at <= _LAST:
        raise BadRange(field, f"must lie in the years {_FIRST.year} to {_LAST.year - 1}")
    return at


def _wall(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def _jump_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The second in which the zone's clocks jump; they jump once between the two instants."""
    low, high, offset = int(before.timestamp()), int(after.timestamp()), before.astimezone(zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)
