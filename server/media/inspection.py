"""What an upload's length and first bytes say against it. Nothing is decoded here, and nothing read."""

from __future__ import annotations

import io
from typing import Final

import imagesize

from server.media.content_types import MAX_PIXELS, MAX_SIDE
from server.media.media import Reason, Rejection

# So much of an object is looked at. It also bounds what crafted headers can cost: 35 ms on one core.
START_BYTES: Final = 64 * 1024

_MAGIC: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})


def judge_length(found: int, declared: int) -> Rejection | None:
    """Both in bytes."""
    if found == declared:
        return None
    return Rejection(
        Reason.SIZE_MISMATCH, f"The upload has {found:,} bytes; {declared:,} bytes were declared."
    )


def judge_start(start: bytes, content_type: str) -> Rejection | None:
    """Judges the first START_BYTES, or the whole of a shorter file, by the declared type.

    Says nothing of dimensions that are written further back: the decoder sees those.
    """
    found = type_of(start)
    if found != content_type:
        what = f"are {found}" if found else "are no picture of a type that is taken"
        return Rejection(Reason.WRONG_TYPE, f"The bytes {what}; {content_type} was declared.")
    sides = dimensions(start, content_type)
    return judge_dimensions(*sides) if sides else None


def judge_dimensions(width: int, height: int) -> Rejection | None:
    """Both in pixels."""
    if width == 0 or height == 0:
        return Rejection(Reason.BROKEN, "The picture has no pixels.")
    if width <= MAX_SIDE and height <= MAX_SIDE and width * height <= MAX_PIXELS:
        return None
    return Rejection(
        Reason.TOO_MANY_PIXELS,
        f"The picture has {width:,} by {height:,} pixels; at most {MAX_PIXELS:,} in all"
        f" and {MAX_SIDE:,} a side are taken.",
    )


def type_of(start: bytes) -> str | None:
    """The media type that the first bytes tell, None when it is not one of those taken."""
    for magic, content_type in _MAGIC:
        if start.startswith(magic):
            return content_type
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "image/webp"
    return "image/avif" if start[4:8] == b"ftyp" and _AVIF_BRANDS & _brands(start) else None


def _brands(start: bytes) -> set[bytes]:
    """The major and the compatible brands of an ISO base media file; between them stands a version."""
    end = min(int.from_bytes(start[:4], "big"), START_BYTES)
    return {start[8:12]} | {start[at : at + 4] for at in range(16, end - 3, 4)}


def dimensions(start: bytes, content_type: str) -> tuple[int, int] | None:
    """Width and height as stored, in pixels; None when these bytes do not tell. They are of that type."""
    if content_type == "image/gif":
        # imagesize reads them signed.
        sides = int.from_bytes(start[6:8], "little"), int.from_bytes(start[8:10], "little")
        return sides if len(start) >= 10 else None
    width, height = imagesize.get(io.BytesIO(start[:START_BYTES]), exif_rotation=False)
    if width < 0 or height < 0:
        return None
    if start[12:16] == b"VP8 ":
        # The upper two bits are a wish to be shown larger, which no decoder heeds (RFC 6386, 9.1).
        return width & 0x3FFF, height & 0x3FFF
    return width, height
