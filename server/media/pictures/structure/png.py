"""The chunks of a PNG file, as in the W3C recommendation. Checks every CRC; inflates nothing."""

from __future__ import annotations

import struct
import zlib
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

_SIGNATURE_BYTES: Final = 8
_MAX_LENGTH: Final = 2**31 - 1
_CODED: Final = frozenset({b"IDAT", b"fdAT"})
# Bit depths by colour type.
_DEPTHS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


def walk(content: bytes) -> Layout:
    """Where IEND ends and which spans are compressed pixels."""
    coded: list[Span] = []
    frames = 0
    for parts, (kind, start, end) in enumerate(_chunks(content), 1):
        check_parts(parts)
        if (kind == b"IHDR") != (parts == 1):
            raise broken("The first chunk of a PNG file, and no other, is its header.")
        if kind == b"IHDR":
            _check_header(content[start:end])
        elif kind in _CODED:
            coded.append((start, end))
        elif kind == b"acTL":
            check_frames(int.from_bytes(content[start : start + 4], "big"))
        elif kind == b"fcTL":
            frames += 1
            check_frames(frames)
    if not coded:
        raise broken("The PNG file has no picture data.")
    return Layout(end + 4, tuple(coded))


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of each chunk's content, up to IEND."""
    view = memoryview(content)
    position, kind = _SIGNATURE_BYTES, b""
    while kind != b"IEND":
        if position + 12 > len(content):
            raise truncated("a chunk")
        length, kind = struct.unpack_from(">I4s", content, position)
        start, end = position + 8, position + 8 + length
        if length > _MAX_LENGTH or not kind.isalpha():
            raise broken("What should be a chunk of the PNG file is none.")
        if end + 4 > len(content):
            raise truncated("a chunk")
        if zlib.crc32(view[position + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):
            raise broken("A checksum in the PNG file is wrong: the file was damaged.")
        yield kind, start, end
        position = end + 4


def _check_header(header: bytes) -> None:
    if len(header) != 13:
        raise broken("The header of the PNG file has a wrong length.")
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", header)
    if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise broken("The header of the PNG file asks for what PNG does not have.")
    check_size(width, height)
