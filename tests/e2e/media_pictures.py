"""Pictures as cameras, scanners and programs make them, always the same. Hostile ones are made elsewhere.

Nearly all show four quadrants, by which one sees how a picture was turned, cut and coloured.
"""

from __future__ import annotations

import importlib
import io
import random
import struct
import zlib
from dataclasses import dataclass
from typing import Any, Final

from PIL import Image, ImageFilter, features

from tests.e2e.colour_profiles import Colour, adobe_rgb, in_srgb

if not features.check("avif"):
    importlib.import_module("pillow_avif")

RED, GREEN, BLUE, YELLOW = (208, 40, 48), (40, 160, 72), (48, 64, 192), (224, 192, 48)
SMALL: Final = (100, 100)
QUADRANTS: Final = (RED, GREEN, BLUE, YELLOW)
WHITE: Final = (255, 255, 255)

ORIENTATION, GPS = 0x0112, 0x8825
# What makes of an upright picture the one that a camera stores under this orientation (TIFF 6.0, page 36).
_STORED_AS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True)
class Picture:
    """A file, and what is to be seen: `size` in pixels as shown, the colours of the quadrants row by row."""

    name: str
    content: bytes
    content_type: str
    size: tuple[int, int]
    colours: tuple[Colour, ...] = QUADRANTS


def quadrants(size: tuple[int, int], colours: tuple[Colour, ...] = QUADRANTS) -> Image.Image:
    """An upright picture of four areas."""
    small = Image.new("RGB", (2, 2))
    small.putdata(list(colours))
    return small.resize(size, Image.Resampling.NEAREST)


def saved(image: Image.Image, name: str, **options: Any) -> bytes:
    """The file of this format, such as `jpeg`."""
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def photo(size: tuple[int, int], seed: int, *, quality: int = 92, grain: float = 35.0) -> bytes:
    """A JPEG with soft shapes and grain, as large in bytes as a camera's of these pixels."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    shapes = Image.frombytes("RGB", (24, 16), chance.randbytes(24 * 16 * 3))
    soft = shapes.resize(size, Image.Resampling.BICUBIC)
    tile = Image.frombytes("L", (512, 512), chance.randbytes(512 * 512)).filter(ImageFilter.GaussianBlur(1))
    noise = Image.new("L", size)
    for left in range(0, size[0], 512):
        for top in range(0, size[1], 512):
            noise.paste(tile.rotate(90 * chance.randrange(4)), (left, top))
    grains = Image.merge("RGB", (noise,) * 3)
    return saved(Image.blend(soft, grains, grain / 100), "jpeg", quality=quality)


def unlike(name: str, seed: int) -> Picture:
    """A small picture whose bytes no other has: what was made of others cannot serve for it."""
    chance = random.Random(f"{name} {seed}")  # noqa: S311 - repeatable, not secret
    image = quadrants((320, 240))
    image.paste(tuple(chance.randbytes(3)), (158, 118, 162, 122))
    return Picture(name, saved(image, "jpeg", comment=f"{name} {seed}"), "image/jpeg", image.size)


def turned(orientation: int) -> Picture:
    """As a camera stores it that was held so; it knows the place as well."""
    upright = quadrants((320, 240))
    stored = upright.transpose(_STORED_AS[orientation]) if orientation in _STORED_AS else upright
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[GPS] = {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 36.0)}
    content = saved(stored, "jpeg", quality=95, exif=exif.tobytes())
    return Picture(f"orientation {orientation}", content, "image/jpeg", upright.size)


def animated(kind: str) -> Picture:
    """Three frames, of which the first counts."""
    frames = [quadrants((120, 80)), *(Image.new("RGB", (120, 80), colour) for colour in (BLUE, GREEN))]
    options: dict[str, Any] = {"lossless": True} if kind == "webp" else {}
    content = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, **options)
    return Picture(f"animated {kind}", content, f"image/{kind}", (120, 80))


def sixteen_bit_rgb() -> Picture:
    """A PNG of 48 bits a pixel, which Pillow cannot write."""
    rows = []
    for upper, lower in ((RED, GREEN), (BLUE, YELLOW)):
        row = b"".join(
            struct.pack(">3H", *(257 * value for value in colour)) * 50 for colour in (upper, lower)
        )
        rows += [b"\0" + row] * 50
    header = struct.pack(">2I5B", 100, 100, 16, 2, 0, 0, 0)
    chunks = {b"IHDR": header, b"IDAT": zlib.compress(b"".join(rows)), b"IEND": b""}
    content = b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks.items())
    return Picture("16-bit colours", content, "image/png", (100, 100))


def png_chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def translucent(mode: str) -> Image.Image:
    """Quadrants of which the lower two are not there."""
    image = quadrants((100, 100)).convert(mode)
    image.putalpha(Image.frombytes("L", (1, 2), b"\xff\0").resize((100, 100), Image.Resampling.NEAREST))
    return image


def grey(colour: Colour) -> Colour:
    """Its luma (ITU-R BT.601), three times."""
    level = round(0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2])
    return level, level, level


def ordinary_pictures() -> list[Picture]:
    """One of each kind that is taken, most of them small."""
    plain, clear = quadrants(SMALL), (WHITE, WHITE)
    greys = tuple(grey(colour) for colour in QUADRANTS)
    deep = Image.frombytes("I;16", (2, 2), struct.pack("<4H", *(257 * level for level, _, _ in greys)))
    vivid = ((90, 140, 100), (150, 120, 100), (100, 100, 140), (128, 128, 128))
    half = translucent("RGB").quantize(5, method=Image.Quantize.FASTOCTREE)
    grey_jpeg = saved(plain.convert("L"), "jpeg", quality=95, icc_profile=adobe_rgb())
    return [
        *(turned(orientation) for orientation in range(1, 9)),
        animated("gif"),
        animated("webp"),
        sixteen_bit_rgb(),
        small("16-bit greys", deep.resize(SMALL, Image.Resampling.NEAREST), "png", greys),
        small("CMYK", plain.convert("CMYK"), "jpeg", quality=95),
        small("greys", plain.convert("L"), "jpeg", greys, quality=95),
        small("palette", plain.quantize(4), "png"),
        small("palette with transparency", half, "png", (RED, GREEN, *clear)),
        small("grey and alpha", translucent("L"), "png", (*greys[:2], *clear)),
        small("wide gamut", quadrants(SMALL, vivid), "png",
              tuple(in_srgb(colour) for colour in vivid), icc_profile=adobe_rgb()),
        small("broken profile", plain, "png", icc_profile=b"no profile at all"),
        Picture("profile of another kind", grey_jpeg, "image/jpeg", SMALL, greys),
        small("AVIF", plain, "avif", quality=95),
        small("WebP", plain, "webp", quality=95),
        small("one pixel", Image.new("RGB", (1, 1), RED), "png", (RED,) * 4),
        small("one pixel wide", quadrants((2, 4000)).crop((0, 0, 1, 4000)), "png", (RED, RED, BLUE, BLUE)),
    ]  # fmt: skip


def small(
    name: str, image: Image.Image, kind: str, colours: tuple[Colour, ...] = QUADRANTS, **options: Any
) -> Picture:
    return Picture(name, saved(image, kind, **options), f"image/{kind}", image.size, colours)
