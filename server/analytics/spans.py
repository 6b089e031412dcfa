"""Which rows of a rollup table a period is read from: long spans where they are closed, else quarter hours.

Pure rules. A closing says that a day's or an ISO week's counts are whole; hours are whole when their day is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from server.analytics.event_columns import DAY_MINUTES, HOUR_MINUTES, QUARTER_MINUTES, WEEK_MINUTES

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
# 1970 began on a Thursday; ISO weeks begin on Mondays.
_FIRST_MONDAY_MINUTES: Final = 4 * DAY_MINUTES
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Part(NamedTuple):
    """Rows of one span that begin from `start` to before `end`, counted for the point of that number."""

    span: int
    start: datetime
    end: datetime
    point: int


class Closings:
    """Constructor: when each closed (span in minutes, bucket start) was closed; spans of days and weeks."""

    def __init__(self, closed_at: Mapping[tuple[int, datetime], datetime]) -> None:
        self._closed_at = closed_at

    def version(self, start: datetime, end: datetime) -> tuple[datetime, ...] | None:
        """When the UTC days that the period touches were closed; None unless all are.

        While it stays the same, so does what the rollups say of the period.
        """
        day = start.replace(hour=0, minute=0, second=0, microsecond=0)
        found = []
        while day < end:
            closed_at = self._closed_at.get((DAY_MINUTES, day))
            if closed_at is None:
                return None
            found.append(closed_at)
            day += _DAY
        return tuple(found)

    def parts(self, start: datetime, end: datetime, spans: Collection[int], point: int = 0) -> list[Part]:
        """The period as parts, oldest first; `spans` are those that the table has beside quarter hours."""
        parts: list[Part] = []
        at, longest_first = start, sorted(spans, reverse=True)
        while at < end:
            span, until = self._next(at, end, longest_first)
            if parts and parts[-1].span == span:
                parts[-1] = parts[-1]._replace(end=until)
            else:
                parts.append(Part(span, at, until, point))
            at = until
        return parts

    def _next(self, at: datetime, end: datetime, spans: list[int]) -> tuple[int, datetime]:
        day = at.replace(hour=0, minute=0, second=0, microsecond=0)
        for span in spans:
            until = at + timedelta(minutes=span)
            if until <= end and _begins(at, span) and self._is_closed(at, span):
                # All hours of a day are closed or none is, and nothing longer begins before the next day.
                return span, until if span != HOUR_MINUTES else min(
                    at + (end - at) // _HOUR * _HOUR, day + _DAY
                )
        # Nothing longer can begin before the next hour, or the next day where hours are open too.
        hours_are_kept = HOUR_MINUTES in spans and (DAY_MINUTES, day) in self._closed_at
        hour = at.replace(minute=0, second=0, microsecond=0) + _HOUR
        return QUARTER_MINUTES, min(end, hour if hours_are_kept else day + _DAY)

    def _is_closed(self, at: datetime, span: int) -> bool:
        if span == HOUR_MINUTES:
            return (DAY_MINUTES, at.replace(hour=0)) in self._closed_at
        return (span, at) in self._closed_at


def _begins(at: datetime, span: int) -> bool:
    minutes = int((at - _EPOCH).total_seconds()) // 60
    return (minutes - (_FIRST_MONDAY_MINUTES if span == WEEK_MINUTES else 0)) % span == 0
