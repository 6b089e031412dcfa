"""The boxes of an AVIF file: HEIF items (ISO/IEC 23008-12) and sequences. Decodes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from server.media.pictures.structure.boxes import Box, BoxReader
from server.media.pictures.structure.findings import (
    Layout,
    Span,
    broken,
    check_frames,
    check_parts,
    check_size,
    truncated,
)

# What may stand at the top of a file; anything else behind a whole picture is no part of it.
_TOP: Final = frozenset(
    {
        b"ftyp",
        b"meta",
        b"mdat",
        b"moov",
        b"moof",
        b"mfra",
        b"sidx",
        b"styp",
        b"free",
        b"skip",
        b"uuid",
        b"mpvd",
    }
)
# Items that are read as text or tags, and so are not pixels.
_READABLE_ITEMS: Final = frozenset({b"Exif", b"mime", b"uri "})
_FULL_BOX: Final = 4  # bytes of version and flags


@dataclass(slots=True)
class _Found:
    """What the boxes read so far say. `reach`: the end of the last byte that they refer to."""

    pictures: int = 0
    sequences: int = 0
    reach: int = 0
    items: list[Span] = field(default_factory=list)
    media: list[Span] = field(default_factory=list)


def walk(content: bytes) -> Layout:
    """Where the picture ends and which spans are compressed pixels."""
    reader, found = BoxReader(content), _Found()
    position = 0
    while position < len(content):
        whole = (found.pictures or found.sequences) and found.reach <= position
        if whole and content[position + 4 : position + 8] not in _TOP:
            break
        box = reader.box_at(position, len(content))
        if box.kind == b"meta":
            _read_meta(reader, box, found)
        elif box.kind == b"moov":
            _read_movie(reader, box, found)
        elif box.kind == b"mdat":
            found.media.append((box.start, box.end))
        position = box.end
    if not (found.pictures or found.sequences):
        raise truncated("the description of the picture")
    if found.reach > len(content):
        raise truncated("the picture data")
    return Layout(position, tuple(found.media if found.sequences else sorted(found.items)))


def _read_meta(reader: BoxReader, meta: Box, found: _Found) -> None:
    kinds: dict[int, bytes] = {}
    locations: list[Box] = []
    for box in reader.within(meta, skip=_FULL_BOX):
        if box.kind == b"iinf":
            kinds.update(_item_kinds(reader, box))
        elif box.kind == b"iloc":
            locations.append(box)
        elif box.kind == b"iprp":
            found.pictures += _check_sizes(reader, box)
    for location in locations:
        for item, start, end in _extents(reader, location):
            found.reach = max(found.reach, end)
            if kinds.get(item) not in _READABLE_ITEMS:
                found.items.append((start, end))


def _check_sizes(reader: BoxReader, properties: Box) -> int:
    """How many sizes of pictures there are, tiles and thumbnails too."""
    sizes = reader.along(properties, b"ipco", b"ispe")
    for size in sizes:
        at = size.start + _FULL_BOX
        check_size(reader.number(at, 4, size.end), reader.number(at + 4, 4, size.end))
    return len(sizes)


def _item_kinds(reader: BoxReader, items: Box) -> dict[int, bytes]:
    counted = 2 if reader.number(items.start, 1, items.end) == 0 else 4
    kinds = {}
    for entry in reader.within(items, skip=_FULL_BOX + counted):
        version = reader.number(entry.start, 1, entry.end)
        if entry.kind == b"infe" and version >= 2:
            width = 2 if version == 2 else 4
            item = reader.number(entry.start + _FULL_BOX, width, entry.end)
            kind = reader.number(entry.start + _FULL_BOX + width + 2, 4, entry.end)
            kinds[item] = kind.to_bytes(4, "big")
    return kinds


def _extents(reader: BoxReader, location: Box) -> list[tuple[int, int, int]]:
    """Item, start and end in the file of each extent (8.11.3); those within the box itself are left out."""
    cursor = _Cursor(reader, location)
    version = cursor.take(1)
    cursor.take(3)
    sizes = cursor.take(2)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    extents: list[tuple[int, int, int]] = []
    for _ in range(cursor.take(2 if version < 2 else 4)):
        item = cursor.take(2 if version < 2 else 4)
        method = cursor.take(2) & 15 if version else 0
        cursor.take(2)
        base = cursor.take(base_size)
        for _ in range(cursor.take(2)):
            cursor.take(index_size if version else 0)
            start = base + cursor.take(offset_size)
            end = start + cursor.take(length_size)
            check_parts(len(extents))
            if method == 0:
                extents.append((item, start, end))
    return extents


class _Cursor:
    """Takes one number after the other from a box."""

    def __init__(self, reader: BoxReader, box: Box) -> None:
        self._reader, self._end = reader, box.end
        self._position = box.start
        self._taken = 0

    def take(self, size: int) -> int:
        self._taken += 1
        check_parts(self._taken // 8)
        number = self._reader.number(self._position, size, self._end)
        self._position += size
        return number


def _read_movie(reader: BoxReader, movie: Box, found: _Found) -> None:
    for table in reader.along(movie, b"trak", b"mdia", b"minf", b"stbl"):
        for box in reader.within(table):
            at = box.start + _FULL_BOX
            if box.kind == b"stsz":
                found.sequences += 1
                check_frames(reader.number(at + 4, 4, box.end))
            elif box.kind == b"stsd":
                _check_samples(reader, box)
            elif box.kind in (b"stco", b"co64"):
                found.reach = max(found.reach, _last_chunk(reader, box))


def _check_samples(reader: BoxReader, descriptions: Box) -> None:
    for sample in reader.within(descriptions, skip=_FULL_BOX + 4):
        if sample.kind == b"av01":
            width, height = (reader.number(sample.start + at, 2, sample.end) for at in (24, 26))
            check_size(width, height)


def _last_chunk(reader: BoxReader, offsets: Box) -> int:
    """The byte after the first of the last chunk: how long it is, the boxes around it tell."""
    width = 4 if offsets.kind == b"stco" else 8
    start = offsets.start + _FULL_BOX
    count = reader.number(start, 4, offsets.end)
    check_parts(count)
    if start + 4 + count * width > offsets.end:
        raise broken("A box of the AVIF file is shorter than what it announces.")
    return max(
        (reader.number(start + 4 + n * width, width, offsets.end) + 1 for n in range(count)), default=0
    )
