"""From pixels to the bytes of a variant: canvas, background, format. No metadata gets in.

The settings of the encoders weigh CPU time against size, as measured with a photo.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any, Final

from PIL import Image

from server.media.pictures.avif import know_avif
from server.media.pictures.colours import has_transparency
from server.media.pictures.fitting import Plan
from server.media.recipes import Format, Recipe

_OPAQUE: Final = 255


def on_canvas(image: Image.Image, plan: Plan, recipe: Recipe) -> Image.Image:
    """`image`, which is the crop of `plan`, as the variant's pixels: with background beside it
    where `plan` has margins, and behind it where the format knows no alpha. RGBA only when not all is opaque.
    """
    if image.size != plan.canvas:
        image = _with_margins(image, plan, recipe)
    if not has_transparency(image):
        return image.convert("RGB") if image.mode == "RGBA" else image
    return _flattened(image, recipe) if recipe.format == "jpeg" else image


def encode(image: Image.Image, recipe: Recipe) -> bytes:
    """The variant's file, of an image in RGB or RGBA. PNG has no quality; in the others 100 is lossy too."""
    know_avif()
    bare = image.copy() if image.info else image
    bare.info = {}
    name, options = _ENCODERS[recipe.format]
    body = io.BytesIO()
    try:
        bare.save(body, name, **options(recipe.quality))
    except (OSError, ValueError) as error:
        if _says_out_of_memory(str(error)):
            raise MemoryError from error
        raise
    return body.getvalue()


def _with_margins(image: Image.Image, plan: Plan, recipe: Recipe) -> Image.Image:
    background = _colour(recipe.background)
    mode = "RGBA" if image.mode == "RGBA" or background[3] < _OPAQUE else "RGB"
    canvas = Image.new(mode, plan.canvas, background if mode == "RGBA" else background[:3])
    # Without a mask: where the picture lies, its own transparency stays.
    canvas.paste(image.convert(mode) if image.mode != mode else image, plan.offset)
    return canvas


def _flattened(image: Image.Image, recipe: Recipe) -> Image.Image:
    # A JPEG has nothing behind the background, whose own opacity counts for nothing.
    canvas = Image.new("RGB", image.size, _colour(recipe.background)[:3])
    canvas.paste(image, mask=image)
    return canvas


def _colour(background: str) -> tuple[int, int, int, int]:
    red, green, blue, alpha = bytes.fromhex(background[1:])
    return red, green, blue, alpha


def _webp(quality: int) -> Mapping[str, Any]:
    # Method 3 takes twice the time for 7 % less.
    return {"quality": quality, "method": 2}


def _jpeg(quality: int) -> Mapping[str, Any]:
    # Best Huffman tables cost 3 ms a megapixel for 3 %; progressive ones 11 ms for 8 %.
    return {"quality": quality, "subsampling": "4:2:0", "optimize": True}


def _png(quality: int) -> Mapping[str, Any]:
    # zlib's own middle; level 9 found nothing more.
    return {"compress_level": 6}


def _avif(quality: int) -> Mapping[str, Any]:
    # Speed 6, the default, takes four times as long for 4 %. Threads count as the process' own CPU time.
    return {"quality": quality, "speed": 8, "max_threads": 1}


_ENCODERS: Final[Mapping[Format, tuple[str, Callable[[int], Mapping[str, Any]]]]] = {
    "webp": ("WEBP", _webp),
    "jpeg": ("JPEG", _jpeg),
    "png": ("PNG", _png),
    "avif": ("AVIF", _avif),
}


def _says_out_of_memory(text: str) -> bool:
    """Encoders report it as any other failure; libwebp by its numbers 1 and 2."""
    return "out of memory" in text.lower() or text in ("encoding error 1", "encoding error 2")
