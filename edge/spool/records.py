"""The bytes of a segment: a header, then records that can each be told from damage.

A record is a marker, its payload's length, a CRC-32 of length and payload, and the payload. The marker is
random for each segment and stands in its header: behind a damaged record the next whole one is found by it,
and nobody who only chose payloads can have forged one.
"""

import zlib
from collections.abc import Iterator
from secrets import token_bytes
from struct import Struct
from typing import NamedTuple

MAGIC = b"MRSPOOL"
VERSION = 1
MARKER_BYTES = 4
# An ingested batch is at most 1 MiB; what a damaged length claims must not be believed beyond reason.
MAX_PAYLOAD_BYTES = 8 * 1024 * 1024

_HEADER = Struct("<7sB4sI")  # magic, version, marker, CRC-32 of all before
_CHECKED_HEADER_BYTES = _HEADER.size - 4
_PREFIX = Struct("<4sII")  # marker, length of the payload, CRC-32
_LENGTH = Struct("<I")

HEADER_BYTES = _HEADER.size
RECORD_OVERHEAD_BYTES = _PREFIX.size


class UnknownFormat(ValueError):  # noqa: N818 - named for what is so
    """A segment of another Millrace's format: not ours to touch."""

    def __init__(self, version: int) -> None:
        super().__init__(f"spool format {version} is not known here")
        self.version = version


class Damage(NamedTuple):
    """Bytes of a segment that are no whole record: from `start` up to `end`, offsets in the segment."""

    start: int
    end: int


def new_marker() -> bytes:
    """A marker for a new segment."""
    return token_bytes(MARKER_BYTES)


def header(marker: bytes) -> bytes:
    """What a segment with this marker begins with."""
    checked = _HEADER.pack(MAGIC, VERSION, marker, 0)[:_CHECKED_HEADER_BYTES]
    return checked + _LENGTH.pack(zlib.crc32(checked))


def record(marker: bytes, payload: bytes) -> bytes:
    """One record. Raises ValueError for an empty payload or one over MAX_PAYLOAD_BYTES."""
    if not 0 < len(payload) <= MAX_PAYLOAD_BYTES:
        raise ValueError(f"a spooled call has 1 to {MAX_PAYLOAD_BYTES} bytes, not {len(payload)}")
    return _PREFIX.pack(marker, len(payload), _checksum(payload)) + payload


def record_bytes(payload: bytes) -> int:
    """How many bytes the record of a payload has."""
    return RECORD_OVERHEAD_BYTES + len(payload)


def check_format(first_bytes: bytes) -> None:
    """Raise UnknownFormat when a segment that begins so was written by a Millrace with another format."""
    if len(first_bytes) > len(MAGIC) and first_bytes.startswith(MAGIC) and first_bytes[len(MAGIC)] != VERSION:
        raise UnknownFormat(first_bytes[len(MAGIC)])


def scan(segment: bytes) -> Iterator[bytes | Damage]:
    """The payloads of a segment in order, and between them what is damaged.

    Whatever bytes it is given, it raises nothing but UnknownFormat. Where a byte of one record is wrong, that
    record alone is missing; a wrong header costs none.
    """
    check_format(segment)
    if len(segment) < HEADER_BYTES:
        if segment:
            yield Damage(0, len(segment))
        return
    marker = _marker_of(segment)
    if header(marker) != segment[:HEADER_BYTES]:
        yield Damage(0, HEADER_BYTES)
    at = HEADER_BYTES
    while at < len(segment):
        payload = _payload_at(segment, at, marker)
        if payload is not None:
            yield payload
            at += RECORD_OVERHEAD_BYTES + len(payload)
            continue
        goes_on_at = _next_record(segment, at + 1, marker)
        yield Damage(at, goes_on_at)
        at = goes_on_at


def _marker_of(segment: bytes) -> bytes:
    """The header's marker; the first record's when the header is damaged."""
    marker = segment[len(MAGIC) + 1 :][:MARKER_BYTES]
    if header(marker) == segment[:HEADER_BYTES] or len(segment) < HEADER_BYTES + MARKER_BYTES:
        return marker
    return segment[HEADER_BYTES : HEADER_BYTES + MARKER_BYTES]


def _payload_at(segment: bytes, at: int, marker: bytes) -> bytes | None:
    if len(segment) - at <= RECORD_OVERHEAD_BYTES:
        return None
    found, length, checksum = _PREFIX.unpack_from(segment, at)
    begins = at + RECORD_OVERHEAD_BYTES
    if found != marker or not 0 < length <= min(MAX_PAYLOAD_BYTES, len(segment) - begins):
        return None
    payload = segment[begins : begins + length]
    return payload if _checksum(payload) == checksum else None


def _next_record(segment: bytes, at: int, marker: bytes) -> int:
    """Where the next whole record begins, or the segment's end."""
    while (at := segment.find(marker, at)) >= 0:
        if _payload_at(segment, at, marker) is not None:
            return at
        at += 1
    return len(segment)


def _checksum(payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_LENGTH.pack(len(payload))))
