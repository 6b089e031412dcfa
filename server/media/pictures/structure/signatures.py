"""How files begin, by their type. What follows the first bytes is for the walkers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from server.media.content_types import EXTENSIONS
from server.media.media import Reason
from server.media.pictures.structure.findings import Unfit, truncated

_SHORTEST: Final = 12

_PICTURES: Final[Mapping[str, re.Pattern[bytes]]] = {
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    # The major brand or, in the same box, a compatible one.
    "image/avif": re.compile(rb"\0\0[\0-\x03].ftyp(?:avi[fs]|.{8}(?:.{4}){0,30}?avi[fs])", re.DOTALL),
}

# Only to tell people what they sent.
_OTHERS: Final[Mapping[str, re.Pattern[bytes]]] = {
    "a HEIC picture": re.compile(rb".{4}ftyp(?:hei[cxms]|hev[cx]|mif1|msf1)", re.DOTALL),
    "a video or another ISO media file": re.compile(rb".{4}ftyp", re.DOTALL),
    "a TIFF picture": re.compile(rb"II\*\0|MM\0\*"),
    "a BMP picture": re.compile(rb"BM.{4}\0\0\0\0", re.DOTALL),
    "a Windows icon": re.compile(rb"\0\0[\1\2]\0[^\0]\0"),
    "a Photoshop document": re.compile(rb"8BPS"),
    "a JPEG XL picture": re.compile(rb"\xff\x0a|\0\0\0\x0cJXL "),
    "a JPEG 2000 picture": re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"),
    "a PDF document": re.compile(rb"%PDF-"),
    "a ZIP archive or an office document": re.compile(rb"PK[\1\3\5][\2\4\6]"),
    "a gzip archive": re.compile(rb"\x1f\x8b\x08"),
    "a RAR archive": re.compile(rb"Rar!\x1a\x07"),
    "a 7z archive": re.compile(rb"7z\xbc\xaf\x27\x1c"),
    "a program": re.compile(rb"\x7fELF|MZ|\xca\xfe\xba\xbe|[\xce\xcf]\xfa\xed\xfe|#!"),
    "an SVG drawing": re.compile(rb"(?>\s*(?>(?><\?xml[^>]*>|<!--.*?-->)\s*)*)<svg[\s>]", re.DOTALL),
    "a web page": re.compile(rb"\s*<(?:!doctype html|html|head|body|script)", re.IGNORECASE),
    "text": re.compile(rb"[\t\n\r\x20-\x7e]{8}"),
}


def check_type(content: bytes, content_type: str) -> None:
    """Raises Unfit unless the file begins as files of this type do."""
    signature = _PICTURES.get(content_type)
    if signature is not None and signature.match(content):
        return
    if signature is not None and _may_be_the_start(content, content_type):
        raise truncated("the header")
    kind = EXTENSIONS.get(content_type, "picture").upper()
    raise Unfit(Reason.WRONG_TYPE, f"The file is declared as {kind}, but looks like {looks_like(content)}.")


def looks_like(content: bytes) -> str:
    """What a file's first bytes say that it is, in words with an article."""
    head = content[:1024]
    for content_type, signature in _PICTURES.items():
        if signature.match(head):
            kind = EXTENSIONS[content_type].upper()
            return "a JPEG picture" if kind == "JPG" else f"{'an' if kind == 'AVIF' else 'a'} {kind} picture"
    return next((name for name, signature in _OTHERS.items() if signature.match(head)), "nothing known")


def picture_at(content: bytes, position: int) -> str | None:
    """The type of the picture that begins at a place; None when none does."""
    found = (kind for kind, signature in _PICTURES.items() if signature.match(content, position))
    return next(found, None)


def _may_be_the_start(content: bytes, content_type: str) -> bool:
    if len(content) >= _SHORTEST:
        return False
    starts = {
        "image/jpeg": b"\xff\xd8\xff",
        "image/png": b"\x89PNG\r\n\x1a\n",
        "image/gif": b"GIF89a" if content[4:5] != b"7" else b"GIF87a",
        "image/webp": b"RIFF" + content[4:8].ljust(4, b"\0") + b"WEBP",
        "image/avif": content[:4].ljust(4, b"\0") + b"ftypavif",
    }
    return starts[content_type].startswith(content)
