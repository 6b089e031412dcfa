"""Where a picture's pixels go in a variant: sizes, crops and margins. Pure arithmetic; touches no pixel.

The meanings are those of the sharp library's `resize` with `withoutEnlargement`, which `Recipe.upscale` takes
away: its scales, its roundings (half up) and its central crop. A result that no format can hold, on which
sharp fails, is made smaller here.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor, sqrt
from typing import Final, NamedTuple

from server.media.content_types import MAX_PIXELS
from server.media.recipes import Recipe

# WebP's longest side; the same for every format, so that a recipe's size does not hang on its format.
MAX_RESULT_SIDE: Final = 16_383
_WHOLE: Final = Fraction(1)
_HALF: Final = Fraction(1, 2)


class Size(NamedTuple):
    """In pixels, each side at least 1."""

    width: int
    height: int


class Box(NamedTuple):
    """A part of a picture, in its pixels; `right` and `lower` are the first ones outside."""

    left: int
    upper: int
    right: int
    lower: int

    @property
    def size(self) -> Size:
        """How much it takes in."""
        return Size(self.right - self.left, self.lower - self.upper)


@dataclass(frozen=True, slots=True)
class Plan:
    """How to make a variant: resize the whole picture to `scaled`, cut `crop` out of that, and lay it on a
    canvas of `canvas` pixels at `offset` from its upper left corner.

    Nobody should really make the whole of `scaled`, which can be far larger than both picture and variant.
    """

    scaled: Size
    crop: Box
    canvas: Size
    offset: tuple[int, int]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is cut off."""
        return self.crop.size == self.scaled


def plan(picture: Size, recipe: Recipe) -> Plan:
    """What `recipe` makes of a picture that is shown in this size.

    `cover` cuts off what is over so that the focal point comes as near to the middle as the edges allow:
    of `n` scaled pixels of which `m` stay, the first to stay is `floor(focal * n - m / 2 + 1 / 2)`, but no
    less than 0 and no more than `n - m`.
    """
    scaled = _scaled(picture, recipe)
    if recipe.fit == "cover" and recipe.width and recipe.height:
        return _cut(scaled, recipe)
    scaled = _bounded(scaled)
    whole = Box(0, 0, *scaled)
    if recipe.fit != "contain":
        return Plan(scaled, whole, canvas=scaled, offset=(0, 0))
    canvas = Size(recipe.width or scaled.width, recipe.height or scaled.height)
    offset = ((canvas.width - scaled.width) // 2, (canvas.height - scaled.height) // 2)
    return Plan(scaled, whole, canvas, offset)


def _scaled(picture: Size, recipe: Recipe) -> Size:
    across, down = _scales(picture, recipe)
    if not recipe.upscale:
        across, down = min(across, _WHOLE), min(down, _WHOLE)
    return Size(_side(picture.width, across), _side(picture.height, down))


def _scales(picture: Size, recipe: Recipe) -> tuple[Fraction, Fraction]:
    across = Fraction(recipe.width, picture.width) if recipe.width else None
    down = Fraction(recipe.height, picture.height) if recipe.height else None
    if recipe.fit == "fill":
        # The side that is not given stays as it is, as in sharp.
        return across or _WHOLE, down or _WHOLE
    given = [scale for scale in (across, down) if scale is not None]
    scale = max(given) if recipe.fit in ("cover", "outside") else min(given)
    return scale, scale


def _side(length: int, scale: Fraction) -> int:
    return max(1, floor(length * scale + _HALF))


def _bounded(size: Size) -> Size:
    """Smaller in proportion, when no format could hold it or a decoder of ours would refuse it."""
    scale = min(MAX_RESULT_SIDE / max(size), sqrt(MAX_PIXELS / (size.width * size.height)))
    if scale >= 1:
        return size
    return Size(max(1, floor(size.width * scale)), max(1, floor(size.height * scale)))


def _cut(scaled: Size, recipe: Recipe) -> Plan:
    left, right = _kept(scaled.width, recipe.width or scaled.width, recipe.focal_x)
    upper, lower = _kept(scaled.height, recipe.height or scaled.height, recipe.focal_y)
    crop = Box(left, upper, right, lower)
    return Plan(scaled, crop, canvas=crop.size, offset=(0, 0))


def _kept(length: int, wanted: int, focal: float) -> tuple[int, int]:
    kept = min(length, wanted)
    first = floor(Fraction(focal) * length - Fraction(kept, 2) + _HALF)
    first = min(max(first, 0), length - kept)
    return first, first + kept
