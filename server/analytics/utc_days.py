"""UTC days counted from 1970, as locks and partitions name them, and the instants they begin at."""

from __future__ import annotations

import datetime
from typing import Final

EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_DAY: Final = datetime.timedelta(days=1)


def start_of(day: int) -> datetime.datetime:
    """The first instant of the day."""
    return EPOCH + day * _DAY


def day_of(instant: datetime.datetime) -> int:
    """The day of an aware instant."""
    return (instant - EPOCH) // _DAY


def day_of_date(date: datetime.date) -> int:
    """The day of a calendar date."""
    return (date - EPOCH.date()).days


def date_of(day: int) -> datetime.date:
    """The calendar date of the day."""
    return start_of(day).date()
