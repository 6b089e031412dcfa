"""Boxes of the ISO base media file format (ISO/IEC 14496-12). What those of AVIF mean is in `avif`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from server.media.pictures.structure.findings import broken, check_parts, truncated


@dataclass(frozen=True, slots=True)
class Box:
    """A box of the file: its type, where its body begins, and where it ends."""

    kind: bytes
    start: int
    end: int


class BoxReader:
    """Reads boxes of a file. The number that it reads in all is bounded."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._read = 0

    def box_at(self, position: int, end: int) -> Box:
        """The box that begins here, in a container that ends at `end`; raises Unfit if it does not fit."""
        self._read += 1
        check_parts(self._read)
        start = position + 8
        if start > end:
            raise truncated("a box")
        size = int.from_bytes(self.content[position : position + 4], "big")
        if size == 1:
            start += 8
            size = int.from_bytes(self.content[position + 8 : start], "big")
        elif size == 0:
            size = end - position
        if position + size > end:
            raise truncated("a box")
        if position + size < start:
            raise broken("A box of the AVIF file is shorter than its own header.")
        return Box(self.content[position + 4 : position + 8], start, position + size)

    def within(self, outer: Box, *, skip: int = 0) -> Iterator[Box]:
        """The boxes in another's body, after `skip` bytes of its own."""
        position = outer.start + skip
        while position < outer.end:
            box = self.box_at(position, outer.end)
            yield box
            position = box.end

    def along(self, outer: Box, *path: bytes) -> list[Box]:
        """All boxes that are reached from another by this path of types."""
        reached = [outer]
        for kind in path:
            reached = [box for parent in reached for box in self.within(parent) if box.kind == kind]
        return reached

    def number(self, position: int, size: int, end: int) -> int:
        """An unsigned number of `size` bytes in a box that ends at `end`."""
        if position + size > end:
            raise broken("A box of the AVIF file is shorter than what it announces.")
        return int.from_bytes(self.content[position : position + size], "big")
