"""Whether a whole picture is something else as well. What the marks of other formats are is in `marks`."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from typing import Final

from server.media.media import Reason
from server.media.pictures.structure.findings import Layout, Unfit
from server.media.pictures.structure.marks import (
    AS_JAVASCRIPT,
    BEHIND,
    EVERYWHERE,
    OUTSIDE_PIXELS,
    Mark,
)
from server.media.pictures.structure.signatures import picture_at

# Browsers sniff less, readers of PDF as much.
_HEAD_BYTES: Final = 1024
# A reader of ZIP searches the end of a file for a record that a comment of up to 65,535 bytes may follow.
_ZIP_END: Final = struct.Struct("<4s4H2LH")
_ZIP_SEARCH_BYTES: Final = _ZIP_END.size + 65_535
_PADDING: Final = re.compile(rb"[\0\t\n\r ]*")


def check_alone(content: bytes, content_type: str, layout: Layout) -> None:
    """Raises Unfit when something would run or open the file as what it is not declared to be.

    Bytes behind the picture are no reason by themselves: phones keep films and second pictures there.
    """
    if any(script.match(content) for script in AS_JAVASCRIPT):
        raise _also("a script")
    if b"%PDF-" in content[:_HEAD_BYTES]:
        raise _also("a PDF document")
    _check_zip(content)
    _check_behind(content, content_type, layout.end)
    _check_everywhere(content)
    _check_marks(_outside_pixels(content, layout), OUTSIDE_PIXELS)


def _check_everywhere(content: bytes) -> None:
    for pattern, names in EVERYWHERE:
        found = pattern.search(content)
        if found is not None:
            raise _also(names[(found.lastindex or 1) - 1])


def _check_marks(searched: bytes, marks: Iterable[Mark]) -> None:
    folded = searched.lower()
    for mark in marks:
        where = folded if mark.folded else searched
        first = where.find(mark.literal)
        if first >= 0 and mark.pattern.search(where, first):
            raise _also(mark.name)


def _outside_pixels(content: bytes, layout: Layout) -> bytes:
    """The first bytes whatever they are, then all that no span of compressed pixels covers."""
    pieces, position = [content[:_HEAD_BYTES]], 0
    for start, end in layout.coded:
        pieces.append(content[position:start])
        position = max(position, end)
    pieces.append(content[position:])
    return b"\0".join(pieces)


def _check_behind(content: bytes, content_type: str, end: int) -> None:
    padding = _PADDING.match(content, end)
    start = padding.end() if padding else end
    for name, pattern in BEHIND:
        if pattern.match(content, start):
            raise _also(name)
    # The size in front of `ftyp` may have been taken for padding.
    media = content.find(b"ftyp", start, start + 8) - 4
    second = picture_at(content, media if media >= end else start)
    # A second picture of the same type is what cameras write, and so are films behind JPEG.
    if second not in (None, content_type):
        raise _also("a picture of another type")
    if content_type != "image/jpeg" and second is None and media >= end:
        raise _also("a film")


def _check_zip(content: bytes) -> None:
    """The end-of-central-directory record (APPNOTE 4.3.16), wherever readers look for it."""
    position = len(content)
    first = max(0, len(content) - _ZIP_SEARCH_BYTES)
    while (position := content.rfind(b"PK\x05\x06", first, position)) >= 0:
        if position + _ZIP_END.size > len(content):
            continue
        _, disk, first_disk, here, in_all, size, offset, _ = _ZIP_END.unpack_from(content, position)
        zip64 = 0xFFFF in (here, in_all) or 0xFFFFFFFF in (size, offset)
        if disk == first_disk and here == in_all and (zip64 or size <= position):
            raise _also("a ZIP archive")


def _also(what: str) -> Unfit:
    return Unfit(Reason.POLYGLOT, f"The file is {what} as well, or contains one.")
