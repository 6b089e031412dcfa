"""Files that claim to be pictures: liars, polyglots, damaged ones and bombs, each with its verdict.

All are built in a moment and always the same. Ordinary pictures are made elsewhere.
"""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from PIL import Image

from tests.e2e.media_pictures import Picture, photo, png_chunk, quadrants, saved

PNG: Final = b"\x89PNG\r\n\x1a\n"
# A decoder that meets damage may take it for an early end, and the other way round.
DAMAGED: Final = frozenset({"TRUNCATED", "BROKEN"})
BOMB: Final = DAMAGED | {"LIMIT_EXCEEDED"}


@dataclass(frozen=True)
class Hostile:
    """A file, and the reasons for which it may be REJECTED."""

    picture: Picture
    reasons: frozenset[str]


def hostile(name: str, content: bytes, kind: str, *reasons: str) -> Hostile:
    return Hostile(Picture(name, content, f"image/{kind}", (0, 0)), frozenset(reasons))


def liars() -> Iterator[Hostile]:
    """Files that are something else than they say."""
    plain = quadrants((60, 40))
    yield hostile("PNG as JPEG", saved(plain, "png"), "jpeg", "WRONG_TYPE")
    yield hostile("JPEG as WebP", saved(plain, "jpeg"), "webp", "WRONG_TYPE")
    yield hostile("GIF as PNG", saved(plain, "gif"), "png", "WRONG_TYPE")
    yield hostile("WebP as AVIF", saved(plain, "webp"), "avif", "WRONG_TYPE")
    yield hostile("TIFF as JPEG", saved(plain, "tiff"), "jpeg", "WRONG_TYPE")
    yield hostile("BMP as PNG", saved(plain, "bmp"), "png", "WRONG_TYPE")
    yield hostile("NULs", bytes(5000), "jpeg", "WRONG_TYPE")
    yield hostile("one byte", b"\xff", "jpeg", "WRONG_TYPE", "TRUNCATED")
    yield hostile("text", b"This is no picture.\n" * 50, "png", "WRONG_TYPE")
    yield hostile("HTML", b"<!doctype html><script>alert(1)</script>", "gif", "WRONG_TYPE")
    yield hostile("SVG", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "png", "WRONG_TYPE")
    yield hostile("ELF", b"\x7fELF\x02\x01\x01" + bytes(500), "webp", "WRONG_TYPE")
    yield hostile("MP4 as AVIF", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(200), "avif", "WRONG_TYPE")


def polyglots() -> Iterator[Hostile]:
    """Files that are good pictures, and something else to whoever looks otherwise."""
    plain = quadrants((60, 40))
    gif, jpeg, png = (saved(plain, kind) for kind in ("gif", "jpeg", "png"))
    script = b"GIF89a/*" + gif[8:] + b"*/=1;alert(document.domain);"
    yield hostile("GIF and JavaScript", script, "gif", "POLYGLOT", *DAMAGED)
    yield hostile("GIF with a script behind", gif + b"<script>alert(1)</script>", "gif", "POLYGLOT")
    yield hostile("JPEG and ZIP", jpeg + archive(), "jpeg", "POLYGLOT")
    yield hostile("PNG and ZIP", png + archive(), "png", "POLYGLOT")
    yield hostile("PNG and HTML", png + b"<html><script>alert(1)</script></html>", "png", "POLYGLOT")
    yield hostile("WebP and ZIP", saved(plain, "webp") + archive(), "webp", "POLYGLOT")
    document = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
    yield hostile("JPEG and PDF", jpeg[:2] + jpeg_comment(document) + jpeg[2:], "jpeg", "POLYGLOT")
    yield hostile("JPEG with a PDF behind", jpeg + document, "jpeg", "POLYGLOT")


def archive() -> bytes:
    """A ZIP as a JAR or an office document is one."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr(zipfile.ZipInfo("META-INF/MANIFEST.MF"), "Main-Class: Evil\n")
    return file.getvalue()


def jpeg_comment(text: bytes) -> bytes:
    return b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text


def damaged_files() -> dict[str, bytes]:
    """What is cut and flipped: large enough that most of it is pixels."""
    image = Image.open(io.BytesIO(photo((160, 120), 5)))
    return {
        "jpeg": saved(image, "jpeg"),
        "png": saved(image, "png"),
        "webp": saved(image, "webp"),
        "gif": saved(image.quantize(32), "gif"),
        "avif": saved(image, "avif"),
    }


def truncated(cuts: int) -> Iterator[Hostile]:
    """Each format cut off at so many places: in the header, within pixels, and one byte before the end."""
    for kind, whole in damaged_files().items():
        ends = {1, 10, 30, len(whole) - 1} | {len(whole) * cut // cuts for cut in range(1, cuts)}
        for end in sorted(ends):
            # So little shows no type.
            reasons = DAMAGED | ({"WRONG_TYPE"} if end < 32 else set())
            yield hostile(f"{kind} up to byte {end}", whole[:end], kind, *reasons)


def flipped(count: int) -> Iterator[Hostile]:
    """Each format with single bits turned. Some of these are still pictures: any end is right but a crash."""
    chance = random.Random(11)  # noqa: S311 - repeatable, not secret
    for kind, whole in damaged_files().items():
        for _ in range(count):
            bit = chance.randrange(8 * len(whole))
            content = bytearray(whole)
            content[bit // 8] ^= 1 << bit % 8
            yield hostile(f"{kind} with bit {bit} turned", bytes(content), kind)


def giants() -> Iterator[Hostile]:
    """Small files that claim to be huge."""
    plain = quadrants((60, 40))
    claims = png_of(50_000, 50_000, zlib.compress(bytes(1000)))
    yield hostile("PNG of 50,000 × 50,000", claims, "png", "TOO_MANY_PIXELS")
    jpeg = saved(plain, "jpeg")
    frame = jpeg.index(b"\xff\xc0") + 5
    huge = jpeg[:frame] + struct.pack(">2H", 65_500, 65_500) + jpeg[frame + 4 :]
    yield hostile("JPEG of 65,500 × 65,500", huge, "jpeg", "TOO_MANY_PIXELS")
    gif = saved(plain, "gif")
    yield hostile("GIF of 65,535 × 65,535", gif[:6] + b"\xff" * 4 + gif[10:], "gif", "TOO_MANY_PIXELS")
    inner = saved(plain, "webp")[12:]
    extended = webp_chunk(b"VP8X", bytes(4) + (16_382).to_bytes(3, "little") * 2) + inner
    yield hostile("WebP of 16,383 × 16,383", riff(extended), "webp", "TOO_MANY_PIXELS", *DAMAGED)
    avif = saved(plain, "avif")
    extent = avif.index(b"ispe") + 8
    huge = avif[:extent] + struct.pack(">2I", 65_000, 65_000) + avif[extent + 8 :]
    yield hostile("AVIF of 65,000 × 65,000", huge, "avif", "TOO_MANY_PIXELS")
    yield hostile("GIF of 10,000 frames", many_frames(10_000), "gif", "TOO_MANY_FRAMES")


def many_frames(count: int) -> bytes:
    """A GIF of one pixel again and again; see the GIF89a specification, section 20."""
    frame = b"\x2c" + bytes(4) + struct.pack("<2HB", 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return (
        b"GIF89a" + struct.pack("<2H3B", 1, 1, 0x80, 0, 0) + bytes(3) + b"\xff" * 3 + frame * count + b"\x3b"
    )


def bombs() -> Iterator[Hostile]:
    """Small files that become large, or never end, while they are read."""
    bomb = zlib.compress(bytes(64 << 20), 9)
    yield hostile("PNG with a bomb for a profile", png_with(b"iCCP", b"p\0\0" + bomb), "png", *BOMB)
    yield hostile("PNG with a bomb for a text", png_with(b"zTXt", b"Comment\0\0" + bomb), "png", *BOMB)
    texts = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(900_000), 9)) * 200
    yield hostile("PNG with 200 texts", png_of(60, 40, PIXELS, texts), "png", *BOMB)
    yield hostile("PNG with few pixels of many", png_of(1500, 1500, PIXELS), "png", *DAMAGED)
    yield hostile("GIF that clears for ever", gif_with(clearing(200_000)), "gif", *BOMB)
    yield hostile("PNG of 49 megapixels with alpha", large_png(), "png", "LIMIT_EXCEEDED")


def large_png() -> bytes:
    """As many pixels as may be, of four bytes each: 187 MiB when it is decoded."""
    rows, row = zlib.compressobj(1), bytes(1 + 7000 * 4)
    packed = b"".join(rows.compress(row) for _ in range(7000)) + rows.flush()
    return png_of(7000, 7000, packed, colour=6)


PIXELS: Final = zlib.compress(bytes((1 + 60 * 3) * 40))


def png_of(width: int, height: int, pixels: bytes, *more: bytes, colour: int = 2) -> bytes:
    """Of 8 bits a channel; `more` are chunks before the pixels."""
    header = png_chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, colour, 0, 0, 0))
    return b"".join((PNG, header, *more, png_chunk(b"IDAT", pixels), png_chunk(b"IEND", b"")))


def png_with(kind: bytes, content: bytes) -> bytes:
    return png_of(60, 40, PIXELS, png_chunk(kind, content))


def webp_chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def riff(chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def clearing(count: int) -> bytes:
    """LZW of two-bit pixels that says "clear the table" and nothing else; codes are three bits."""
    return (int("100" * 8, 2).to_bytes(3, "little")) * (count // 8)


def gif_with(codes: bytes) -> bytes:
    blocks = b"".join(
        bytes([len(codes[at : at + 255])]) + codes[at : at + 255] for at in range(0, len(codes), 255)
    )
    head = b"GIF89a" + struct.pack("<2H3B", 60, 40, 0x81, 0, 0) + bytes(12)
    return head + b"\x2c" + bytes(4) + struct.pack("<2HB", 60, 40, 0) + b"\x02" + blocks + b"\0\x3b"
