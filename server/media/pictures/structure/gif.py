"""The blocks of a GIF file, as in the GIF89a specification. Decompresses nothing."""

from __future__ import annotations

import struct
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

_HEADER_BYTES: Final = 13
_DESCRIPTOR_BYTES: Final = 10
_EXTENSION: Final = 0x21
_IMAGE: Final = 0x2C
_TRAILER: Final = 0x3B
_HAS_COLOURS: Final = 0x80
# Encoders fill their sub-blocks: 25 MiB are about 100,000 of them. It bounds the work.
_MAX_SUB_BLOCKS: Final = 1_000_000


def walk(content: bytes) -> Layout:
    """Where the trailer is and which spans are compressed pixels."""
    if len(content) < _HEADER_BYTES:
        raise truncated("the header")
    canvas = struct.unpack_from("<HH", content, 6)
    check_size(*canvas)
    position = _HEADER_BYTES + _colours(content[10])
    coded: list[Span] = []
    parts, blocks = 0, _SubBlocks(content)
    while True:
        parts += 1
        check_parts(parts)
        kind = _byte(content, position)
        if kind == _TRAILER:
            break
        if kind == _EXTENSION:
            position = blocks.end(position + 2)
        elif kind == _IMAGE:
            check_frames(len(coded) + 1)
            start = _pixels_start(content, position, canvas)
            position = blocks.end(start)
            coded.append((start, position))
        else:
            raise broken("What should be a block of the GIF file is none.")
    if not coded:
        raise broken("The GIF file has no picture.")
    return Layout(position + 1, tuple(coded))


class _SubBlocks:
    """Chains of sub-blocks; counts those of the whole file."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._left = _MAX_SUB_BLOCKS

    def end(self, position: int) -> int:
        """Where the chain that begins here is over, behind its terminator."""
        content, left = self._content, self._left
        try:
            while (size := content[position]) and left:
                position += size + 1
                left -= 1
        except IndexError:
            raise truncated("a block of data") from None
        if not left:
            raise broken(f"The GIF file has more than {_MAX_SUB_BLOCKS:,} blocks of data.")
        self._left = left
        return position + 1


def _pixels_start(content: bytes, position: int, canvas: tuple[int, int]) -> int:
    """Where the frame's first sub-block is; raises Unfit for a frame that no decoder could show."""
    if position + _DESCRIPTOR_BYTES > len(content):
        raise truncated("a frame")
    left, top, width, height = struct.unpack_from("<HHHH", content, position + 1)
    check_size(width, height)
    # Decoders enlarge their canvas to hold a frame that goes beyond it.
    check_size(max(canvas[0], left + width), max(canvas[1], top + height))
    position += _DESCRIPTOR_BYTES + _colours(content[position + 9])
    if not 1 <= _byte(content, position) <= 11:
        raise broken("A frame of the GIF file has an impossible code size.")
    return position + 1


def _colours(flags: int) -> int:
    """Bytes of the colour table that these flags announce."""
    return 3 << ((flags & 7) + 1) if flags & _HAS_COLOURS else 0


def _byte(content: bytes, position: int) -> int:
    if position >= len(content):
        raise truncated("the trailer")
    return content[position]
