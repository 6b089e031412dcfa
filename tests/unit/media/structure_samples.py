"""Small intact pictures of each type, made anew, and parts to build strange ones of. Judges nothing."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from typing import Final

from PIL import Image

from server.media.pictures.avif import know_avif

# Whatever other module was imported before.
know_avif()

FORMATS: Final = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "image/avif": "AVIF",
}
TYPES: Final = tuple(FORMATS)
ANIMATED: Final = tuple(kind for kind in TYPES if kind != "image/jpeg")


@cache
def picture(content_type: str, size: tuple[int, int] = (48, 32)) -> bytes:
    """A still picture that no encoder can make small."""
    return encoded(_noise(size, 7), content_type)


@cache
def animation(content_type: str, frames: int) -> bytes:
    """So many frames, all different."""
    first, *others = (_noise((8, 6), seed).convert("L") for seed in range(frames))
    quick = {"speed": 10} if content_type == "image/avif" else {}
    return encoded(first, content_type, save_all=True, append_images=others, **quick)


def encoded(image: Image.Image, content_type: str, **options: object) -> bytes:
    """The picture as a file of this type."""
    file = io.BytesIO()
    image.save(file, FORMATS[content_type], **options)
    return file.getvalue()


def _noise(size: tuple[int, int], seed: int) -> Image.Image:
    # A linear congruential generator: the same bytes in every run.
    state, values = seed + 1, bytearray()
    for _ in range(size[0] * size[1] * 3):
        state = (state * 1103515245 + 12345) % 2**31
        values.append(state >> 16 & 0xFF)
    return Image.frombytes("RGB", size, bytes(values))


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk with the right checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_with(kind: bytes, body: bytes, *, width: int = 48, height: int = 32) -> bytes:
    """A PNG file whose header says this size, with one more chunk behind the header."""
    content = picture("image/png")
    header = png_chunk(b"IHDR", struct.pack(">II", width, height) + content[24:29])
    return content[:8] + header + png_chunk(kind, body) + content[33:]


def jpeg_with(marker: int, body: bytes) -> bytes:
    """A JPEG file with one more segment behind its start."""
    content = picture("image/jpeg")
    return content[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + content[2:]


def webp_with(kind: bytes, body: bytes) -> bytes:
    """A WebP file with one more chunk at its end."""
    chunks = picture("image/webp")[12:] + kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def gif_with_comment(text: bytes) -> bytes:
    """A GIF file that ends with a comment of up to 255 bytes."""
    return picture("image/gif")[:-1] + b"\x21\xfe" + bytes([len(text)]) + text + b"\0" + b"\x3b"


def box(kind: bytes, body: bytes) -> bytes:
    """A box of an ISO media file."""
    return struct.pack(">I", len(body) + 8) + kind + body


def with_note(content_type: str, note: bytes) -> bytes:
    """A whole picture that carries these bytes where its format has room for notes."""
    if content_type == "image/jpeg":
        return jpeg_with(0xFE, note)
    if content_type == "image/png":
        return png_with(b"tEXt", b"Comment\0" + note)
    if content_type == "image/gif":
        return gif_with_comment(note)
    if content_type == "image/webp":
        return webp_with(b"XMP ", note)
    return picture("image/avif") + box(b"free", note)
