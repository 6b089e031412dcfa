"""The chunks of a WebP file, as in its container specification (RFC 9649). Decodes nothing."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from server.media.pictures.structure.findings import (
    Layout,
    Span,
    broken,
    check_frames,
    check_parts,
    check_size,
    truncated,
)

_HEADER_BYTES: Final = 12
_STILL: Final = frozenset({b"VP8 ", b"VP8L"})
_CODED: Final = frozenset({*_STILL, b"ALPH", b"ANMF"})
_FRAME_HEADER_BYTES: Final = 16


def walk(content: bytes) -> Layout:
    """Where the RIFF file ends and which spans are compressed pixels."""
    size = int.from_bytes(content[4:8], "little")
    end = 8 + size
    if end > len(content):
        raise truncated("the picture")
    coded: list[Span] = []
    canvas: tuple[int, int] | None = None
    frames = stills = 0
    for parts, (kind, start, chunk_end) in enumerate(_chunks(content, end), 1):
        check_parts(parts)
        if parts == 1 and kind not in _STILL | {b"VP8X"}:
            raise broken("The first chunk of the WebP file is not its header.")
        if kind == b"VP8X":
            canvas = _canvas(content, start, chunk_end)
        elif kind in _STILL:
            stills += 1
            _check_still(content, kind, start, chunk_end, canvas)
        elif kind == b"ANMF":
            frames += 1
            check_frames(frames)
            _check_frame(content, start, chunk_end, canvas)
        if kind in _CODED:
            coded.append((start, chunk_end))
    if stills > 1 or (stills and frames) or not (stills or frames):
        raise broken("The WebP file has no picture, or more than one.")
    return Layout(min(end + size % 2, len(content)), tuple(coded))


def _chunks(content: bytes, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of each chunk's content."""
    position = _HEADER_BYTES
    while position < end:
        if position + 8 > end:
            raise broken("What should be a chunk of the WebP file is none.")
        kind, length = struct.unpack_from("<4sI", content, position)
        start = position + 8
        if start + length > end:
            raise broken("A chunk of the WebP file is longer than the file.")
        yield kind, start, start + length
        position = start + length + length % 2


def _canvas(content: bytes, start: int, end: int) -> tuple[int, int]:
    if end - start < 10:
        raise broken("The header of the WebP file is too short.")
    width, height = _size24(content, start + 4)
    check_size(width, height)
    return width, height


def _check_still(content: bytes, kind: bytes, start: int, end: int, canvas: tuple[int, int] | None) -> None:
    width, height = _still_size(content[start : min(start + 10, end)], kind)
    check_size(width, height)
    if canvas not in (None, (width, height)):
        raise broken("The picture of the WebP file has not the size that its header says.")


def _still_size(header: bytes, kind: bytes) -> tuple[int, int]:
    if kind == b"VP8L" and len(header) >= 5 and header[0] == 0x2F:
        bits = int.from_bytes(header[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and len(header) == 10 and header[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", header, 6)
        return width & 0x3FFF, height & 0x3FFF
    raise broken("The picture data of the WebP file does not begin as it must.")


def _check_frame(content: bytes, start: int, end: int, canvas: tuple[int, int] | None) -> None:
    if canvas is None or end - start < _FRAME_HEADER_BYTES:
        raise broken("A frame of the WebP file has no header, or one too short.")
    left, top = (2 * int.from_bytes(content[at : at + 3], "little") for at in (start, start + 3))
    width, height = _size24(content, start + 6)
    if left + width > canvas[0] or top + height > canvas[1]:
        raise broken("A frame of the WebP file goes beyond the picture.")


def _size24(content: bytes, at: int) -> tuple[int, int]:
    width, height = (int.from_bytes(content[place : place + 3], "little") + 1 for place in (at, at + 3))
    return width, height
