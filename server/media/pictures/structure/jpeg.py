"""The markers of a JPEG file, as in ITU-T T.81 annex B. Entropy-coded data is passed over, not decoded."""

from __future__ import annotations

import re
from typing import Final

from server.media.pictures.structure.findings import (
    Layout,
    Span,
    broken,
    check_parts,
    check_size,
    truncated,
)

_SOI: Final = 0xD8
_EOI: Final = 0xD9
_SOS: Final = 0xDA
# SOF0 to SOF15, but for DHT, JPG and DAC, which lie between them.
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Baseline, extended and progressive, of either coding; the others are lossless or in several resolutions.
_READ: Final = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
_BITS: Final = 8
_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
# Each scan is a pass over the whole picture. Progressive ones have about ten.
_MAX_SCANS: Final = 500

_MARKER = re.compile(rb"\xff[\x01-\xfe]")
# Within a scan 0xFF is followed by 0x00, by a restart marker, or by more of itself as padding.
_MARKER_AFTER_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


def walk(content: bytes) -> Layout:
    """Where the picture ends and which spans are scans. Second pictures and trailers come after the end."""
    position, frames, parts = 2, 0, 0
    coded: list[Span] = []
    while True:
        parts += 1
        check_parts(parts)
        marker, position = _marker_at(content, position)
        if marker == _EOI:
            break
        if marker in _STANDALONE:
            continue
        start, position = position, _segment_end(content, position, marker)
        if marker in _FRAMES:
            frames += 1
            _check_frame(content, start, position, frames)
            _check_coding(marker, content[start + 2])
        if marker == _SOS:
            coded.append((position, _scan_end(content, position, frames, len(coded))))
            position = coded[-1][1]
    if not coded:
        raise broken("The JPEG file has no picture data.")
    return Layout(position, tuple(coded))


def _marker_at(content: bytes, position: int) -> tuple[int, int]:
    """The next marker and where it ends. Decoders pass over stray bytes before it, so it does too."""
    found = _MARKER.search(content, position)
    if found is None:
        raise truncated("the end of image")
    return content[found.start() + 1], found.end()


def _segment_end(content: bytes, position: int, marker: int) -> int:
    if marker == _SOI:
        raise broken("The JPEG file begins a second time in the middle.")
    if position + 2 > len(content):
        raise truncated("a segment")
    length = int.from_bytes(content[position : position + 2], "big")
    if length < 2:
        raise broken("A segment of the JPEG file is shorter than its own length.")
    if position + length > len(content):
        raise truncated("a segment")
    return position + length


def _check_frame(content: bytes, start: int, end: int, frames: int) -> None:
    if frames > 1:
        raise broken("The JPEG file has a second frame header.")
    if end - start < 8:
        raise broken("The frame header of the JPEG file is too short.")
    height = int.from_bytes(content[start + 3 : start + 5], "big")
    width = int.from_bytes(content[start + 5 : start + 7], "big")
    check_size(width, height)


def _check_coding(marker: int, bits: int) -> None:
    """Raises Unfit for what the standard has and decoders of pictures for the web do not."""
    if bits != _BITS:
        raise broken(f"The JPEG file has {bits} bits for each colour; only {_BITS} are taken.")
    if marker not in _READ:
        raise broken("The JPEG file is lossless or hierarchical, which is not taken.")


def _scan_end(content: bytes, position: int, frames: int, scans: int) -> int:
    if not frames:
        raise broken("The JPEG file has picture data before its frame header.")
    if scans >= _MAX_SCANS:
        raise broken(f"The JPEG file has more than {_MAX_SCANS} scans.")
    found = _MARKER_AFTER_SCAN.search(content, position)
    if found is None:
        raise truncated("the end of image")
    return found.start()
