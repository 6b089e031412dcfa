"""Timestamp and Duration as proto3 JSON text, both ways. RFC 3339 in UTC out; any offset in."""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from edge.rest.violations import InvalidValueError

_FIRST_DAY = date(1970, 1, 1)
# Formatting a number with leading zeros takes four times as long as looking it up.
_THREE_DIGITS = [f"{number:03d}" for number in range(1000)]
_MINUTE_OF_DAY = [f"T{minute // 60:02d}:{minute % 60:02d}:" for minute in range(24 * 60)]
_TWO_DIGITS = [f"{number:02d}" for number in range(60)]
# The same for reading: what stands in a text, in seconds and nanoseconds.
_MINUTES = {text: minute * 60 for minute, text in enumerate(_MINUTE_OF_DAY)}
_SECONDS = {text: second for second, text in enumerate(_TWO_DIGITS)}
_MILLISECONDS = {"Z": 0} | {f".{text}Z": milli * 1_000_000 for milli, text in enumerate(_THREE_DIGITS)}
_LEN_OF_MICROSECONDS = len(".123456Z")
# 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z, and 10,000 years, as timestamp.proto and duration.proto say.
_MIN_TIMESTAMP_S, _MAX_TIMESTAMP_S = -62_135_596_800, 253_402_300_799
_MAX_DURATION_S = 315_576_000_000

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_ENDING = re.compile(r"(?:\.(\d{1,9}))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII)
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII)


def read_timestamp(value: object) -> dict[str, int]:
    """The parts of RFC 3339 text with up to nine fractional digits. Raises `InvalidValueError`."""
    if type(value) is not str:
        raise _no_timestamp()
    try:
        seconds = _date_seconds(value[:10]) + _MINUTES[value[10:17]] + _SECONDS[value[17:19]]
    except KeyError:
        raise _no_timestamp() from None
    ending = value[19:]
    nanos = _MILLISECONDS.get(ending)
    if nanos is None and len(ending) == _LEN_OF_MICROSECONDS:
        nanos = _microseconds(ending)
    if nanos is None:
        return _read_ending(ending, seconds)
    return {"seconds": seconds, "nanos": nanos}


def _microseconds(ending: str) -> int | None:
    """The nanos of an ending such as `.123456Z`, else None. A pattern would take three times as long."""
    millis, micros = _MILLISECONDS.get(f"{ending[:4]}Z"), _MILLISECONDS.get(f".{ending[4:]}")
    return None if millis is None or micros is None else millis + micros // 1000


def _read_ending(ending: str, local_seconds: int) -> dict[str, int]:
    """What follows the second: any fraction, any offset."""
    found = _ENDING.fullmatch(ending)
    if not found:
        raise _no_timestamp()
    fraction, sign, hours, minutes = found.groups()
    seconds = local_seconds
    if sign:
        offset_s = int(hours) * 3600 + int(minutes) * 60
        seconds += offset_s if sign == "-" else -offset_s
        if not _MIN_TIMESTAMP_S <= seconds <= _MAX_TIMESTAMP_S:
            raise InvalidValueError("must be in the years 0001 to 9999")
    return {"seconds": seconds, "nanos": _nanoseconds(fraction)}


@lru_cache(maxsize=4096)
def _date_seconds(text: str) -> int:
    """The second since 1970 that a date begins with; remembered, because requests name the same few days."""
    if not _DATE.fullmatch(text):  # `fromisoformat` knows weeks, too
        raise _no_timestamp()
    try:
        return (date.fromisoformat(text) - _FIRST_DAY).days * 86_400
    except ValueError:
        raise InvalidValueError("must be a time that exists") from None


def write_timestamp(message: Timestamp) -> str:
    """RFC 3339 text in UTC. Raises ValueError when the message holds no valid time."""
    days, second = divmod(message.seconds, 86_400)
    nanos = message.nanos
    fraction = _fraction(nanos) if nanos else ""
    return f"{_date(days)}{_MINUTE_OF_DAY[second // 60]}{_TWO_DIGITS[second % 60]}{fraction}Z"


def read_duration(value: object) -> dict[str, int]:
    """The parts of decimal seconds with an `s` behind them. Raises `InvalidValueError`."""
    found = _DURATION.fullmatch(value) if type(value) is str else None
    if not found:
        raise InvalidValueError('must be a number of seconds followed by s, such as "3.5s"')
    sign, whole, fraction = found.groups()
    seconds, nanos = int(whole), _nanoseconds(fraction)
    if seconds + (nanos > 0) > _MAX_DURATION_S:
        raise InvalidValueError("must be at most 10,000 years")
    return {"seconds": -seconds, "nanos": -nanos} if sign else {"seconds": seconds, "nanos": nanos}


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
        return (_FIRST_DAY + timedelta(days)).isoformat()
    except OverflowError:
        raise ValueError("the timestamp is out of range") from None


def _no_timestamp() -> InvalidValueError:
    return InvalidValueError("must be an RFC 3339 time such as 2026-01-31T12:00:00Z")


def _nanoseconds(fraction: str | None) -> int:
    return int(fraction.ljust(9, "0")) if fraction else 0


def _fraction(nanos: int) -> str:
    """A dot and 3, 6 or 9 digits: as many as the value needs."""
    if not 0 <= nanos < 1_000_000_000:
        raise ValueError("the nanoseconds are out of range")
    micros, below_micro = divmod(nanos, 1_000)
    if below_micro:
        return f".{nanos:09d}"
    if micros % 1_000:
        return f".{_THREE_DIGITS[micros // 1_000]}{_THREE_DIGITS[micros % 1_000]}"
    return f".{_THREE_DIGITS[micros // 1_000]}"
