"""Timestamp and Duration as proto3 JSON text, both ways. RFC 3339 in UTC out; any offset in."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from edge.rest.violations import InvalidValueError

_EPOCH = datetime(1970, 1, 1)  # naive on purpose: UTC arithmetic without an offset to render
# Formatting a number with leading zeros takes four times as long as looking it up.
_THREE_DIGITS = [f"{number:03d}" for number in range(1000)]
_MINUTE_OF_DAY = [f"T{minute // 60:02d}:{minute % 60:02d}:" for minute in range(24 * 60)]
_TWO_DIGITS = [f"{number:02d}" for number in range(60)]
# 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z, and 10,000 years, as timestamp.proto and duration.proto say.
_MIN_TIMESTAMP_S, _MAX_TIMESTAMP_S = -62_135_596_800, 253_402_300_799
_MAX_DURATION_S = 315_576_000_000

_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII
)
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII)


def read_timestamp(value: object, message: Timestamp) -> None:
    """Fill from RFC 3339 text with up to nine fractional digits. Raises `InvalidValueError`."""
    found = _TIMESTAMP.fullmatch(value) if type(value) is str else None
    if not found:
        raise InvalidValueError("must be an RFC 3339 time such as 2026-01-31T12:00:00Z")
    local, fraction, sign, hours, minutes = found.groups()
    try:
        since_epoch = datetime.fromisoformat(local) - _EPOCH
    except ValueError:
        raise InvalidValueError("must be a time that exists") from None
    seconds = since_epoch.days * 86_400 + since_epoch.seconds
    if sign:
        offset_s = int(hours) * 3600 + int(minutes) * 60
        seconds += offset_s if sign == "-" else -offset_s
        if not _MIN_TIMESTAMP_S <= seconds <= _MAX_TIMESTAMP_S:
            raise InvalidValueError("must be in the years 0001 to 9999")
    message.seconds = seconds
    if fraction:
        message.nanos = int(fraction.ljust(9, "0"))


def write_timestamp(message: Timestamp) -> str:
    """RFC 3339 text in UTC. Raises ValueError when the message holds no valid time."""
    days, second_of_day = divmod(message.seconds, 86_400)
    minute_of_day, second = divmod(second_of_day, 60)
    nanos = message.nanos
    fraction = _fraction(nanos) if nanos else ""
    return f"{_date(days)}{_MINUTE_OF_DAY[minute_of_day]}{_TWO_DIGITS[second]}{fraction}Z"


def read_duration(value: object, message: Duration) -> None:
    """Fill from decimal seconds with an `s` behind them. Raises `InvalidValueError`."""
    found = _DURATION.fullmatch(value) if type(value) is str else None
    if not found:
        raise InvalidValueError('must be a number of seconds followed by s, such as "3.5s"')
    sign, whole, fraction = found.groups()
    seconds, nanos = int(whole), _nanoseconds(fraction)
    if seconds + (nanos > 0) > _MAX_DURATION_S:
        raise InvalidValueError("must be at most 10,000 years")
    message.seconds = -seconds if sign else seconds
    message.nanos = -nanos if sign else nanos


def write_duration(message: Duration) -> str:
    """Decimal seconds and `s`. Raises ValueError when the message holds no valid duration."""
    seconds, nanos = message.seconds, message.nanos
    if abs(seconds) > _MAX_DURATION_S or abs(nanos) >= 1_000_000_000 or seconds * nanos < 0:
        raise ValueError("the duration is out of range")
    sign = "-" if seconds < 0 or nanos < 0 else ""
    return f"{sign}{abs(seconds)}{_fraction(abs(nanos)) if nanos else ''}s"


@lru_cache(maxsize=4096)
def _date(days: int) -> str:
    """The date so many days after 1970-01-01; remembered, because answers repeat the same few days."""
    try:
        return (_EPOCH + timedelta(days)).date().isoformat()
    except OverflowError:
        raise ValueError("the timestamp is out of range") from None


def _nanoseconds(fraction: str | None) -> int:
    return int(fraction.ljust(9, "0")) if fraction else 0


def _fraction(nanos: int) -> str:
    """A dot and 3, 6 or 9 digits: as many as the value needs."""
    if not 0 <= nanos < 1_000_000_000:
        raise ValueError("the nanoseconds are out of range")
    millis, below_milli = divmod(nanos, 1_000_000)
    if not below_milli:
        return f".{_THREE_DIGITS[millis]}"
    micros, below_micro = divmod(below_milli, 1_000)
    rest = _THREE_DIGITS[below_micro] if below_micro else ""
    return f".{_THREE_DIGITS[millis]}{_THREE_DIGITS[micros]}{rest}"
