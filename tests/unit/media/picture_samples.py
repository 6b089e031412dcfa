"""Pictures made for tests of the rendering, and the ways to render one and to look at what came out."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Sequence
from typing import Any

from PIL import Image

from server.media.pictures.avif import know_avif
from server.media.pictures.rendering import (
    Refused,
    Rendered,
    RenderedVariant,
    decode_answer,
    encode_request,
    render,
)
from server.media.recipes import Recipe

know_avif()

Colour = tuple[int, ...]

RED, GREEN, BLUE, YELLOW = (230, 20, 30), (20, 200, 40), (30, 40, 220), (240, 220, 20)
LOSSLESS = Recipe(name="same", width=4000, height=4000, fit="inside", format="png")


def answered(content: bytes, content_type: str, *recipes: Recipe) -> Rendered | Refused:
    """What `render` says of it, through the bytes of question and answer."""
    return decode_answer(render(encode_request(content, content_type, recipes)))


def rendered(content: bytes, content_type: str, *recipes: Recipe) -> Rendered:
    """The same, of a picture that must not be refused."""
    answer = answered(content, content_type, *recipes)
    assert isinstance(answer, Rendered), answer
    return answer


def pixels(content: bytes, content_type: str, recipe: Recipe = LOSSLESS) -> Image.Image:
    """The one variant, decoded."""
    (variant,) = rendered(content, content_type, recipe).variants
    return opened(variant)


def opened(variant: RenderedVariant) -> Image.Image:
    """Its pixels; the record tells their size."""
    image = Image.open(io.BytesIO(variant.body))
    image.load()
    assert image.size == (variant.width, variant.height)
    assert image.format == variant.format.upper()
    return image


def file_of(image: Image.Image, format_: str, **options: Any) -> bytes:
    """Written by Pillow."""
    body = io.BytesIO()
    image.save(body, format_, **options)
    return body.getvalue()


def quadrants(
    width: int = 48, height: int = 32, colours: Sequence[Colour] = (RED, GREEN, BLUE, YELLOW)
) -> Image.Image:
    """Four plain quarters: upper left, upper right, lower left, lower right."""
    image = Image.new("RGB", (width, height))
    for at, colour in enumerate(colours):
        left, upper = (at % 2) * width // 2, (at // 2) * height // 2
        image.paste(colour, (left, upper, left + width // 2, upper + height // 2))
    return image


def noise(width: int, height: int) -> Image.Image:
    """What no encoder can make small, the same in every run."""
    return Image.frombytes("RGB", (width, height), random.Random(7).randbytes(width * height * 3))  # noqa: S311


def exif(orientation: int) -> bytes:
    """An EXIF block with that orientation, a GPS position and the camera's name."""
    block = Image.Exif()
    block[0x0112] = orientation
    block[0x010F] = "Kodachrome"
    block.get_ifd(0x8825)[1] = "N"
    block.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    return block.tobytes()


def png(size: tuple[int, int], depth: int, colour_type: int, rows: bytes, **chunks: bytes) -> bytes:
    """A PNG by hand, for what Pillow does not write. `rows`: packed pixels without filter bytes."""
    width, height = size
    length = len(rows) // height
    filtered = b"".join(b"\0" + rows[at : at + length] for at in range(0, len(rows), length))
    head = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    parts = [("IHDR", head), *chunks.items(), ("IDAT", zlib.compress(filtered)), ("IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind.encode(), body) for kind, body in parts)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def assert_close(found: Any, expected: Sequence[int], within: int) -> None:
    """Of one pixel, channel by channel."""
    assert isinstance(found, tuple), found
    assert len(found) == len(expected), (found, expected)
    assert all(abs(one - other) <= within for one, other in zip(found, expected, strict=True)), (
        found,
        expected,
    )
