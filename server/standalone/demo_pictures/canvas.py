"""Paints outlines with soft edges, gradients and shadows. What they show is the drawings' part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFilter

from server.standalone.demo_pictures.outlines import Outline, ribbon

# Edges are drawn so many times larger, and shrunk.
_FINER = 3

# Colours from one side to the other.
Colours = Sequence[str]


@dataclass(frozen=True, slots=True)
class Paint:
    """`colours` run from the left to the right, or downwards; `blur` is a radius in pixels."""

    colours: Colours
    downwards: bool = False
    opacity: float = 1.0
    blur: float = 0.0


class Canvas:
    """A picture that is being painted, part over part."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.image = Image.new("RGB", size)

    def fill(self, outline: Outline, paint: Paint, *, within: Outline | None = None) -> None:
        """Paints the inside, only where `within` is painted too."""
        box = self._box(outline, paint.blur)
        mask = _filled(outline, box)
        if paint.blur:
            mask = mask.filter(ImageFilter.GaussianBlur(paint.blur))
        if within is not None:
            mask = ImageChops.multiply(mask, _filled(within, box))
        self._lay(mask, paint, box)

    def stroke(self, line: Outline, width: float, paint: Paint, *, within: Outline | None = None) -> None:
        """Paints along a line with round ends."""
        box = self._box(line, width / 2 + paint.blur)
        mask = _stroked(line, width, box)
        if paint.blur:
            mask = mask.filter(ImageFilter.GaussianBlur(paint.blur))
        if within is not None:
            mask = ImageChops.multiply(mask, _filled(within, box))
        self._lay(mask, paint, box)

    def _lay(self, mask: Image.Image, paint: Paint, box: tuple[int, int, int, int]) -> None:
        if paint.opacity < 1:
            mask = mask.point([round(value * paint.opacity) for value in range(256)])
        self.image.paste(gradient(mask.size, paint.colours, downwards=paint.downwards), box, mask)

    def _box(self, points: Outline, around: float) -> tuple[int, int, int, int]:
        """The part of the picture that painting these points may touch."""
        margin = 2 * around + 2
        xs, ys = zip(*points, strict=True)
        return (
            max(0, floor(min(xs) - margin)),
            max(0, floor(min(ys) - margin)),
            min(self.image.width, ceil(max(xs) + margin)),
            min(self.image.height, ceil(max(ys) + margin)),
        )


def gradient(size: tuple[int, int], colours: Colours, *, downwards: bool) -> Image.Image:
    """The colours, evenly spread."""
    if len(colours) == 1:
        return Image.new("RGB", size, colours[0])
    ramp = Image.linear_gradient("L")
    if not downwards:
        ramp = ramp.transpose(Image.Transpose.ROTATE_90)
    ramp = ramp.resize(size, Image.Resampling.BILINEAR)
    return Image.merge("RGB", [ramp.point(table) for table in _tables(colours)])


def _tables(colours: Colours) -> list[list[int]]:
    """For red, green and blue: the value at each of 256 steps."""
    stops = [ImageColor.getrgb(colour) for colour in colours]
    tables: list[list[int]] = [[], [], []]
    for step in range(256):
        place = step / 255 * (len(stops) - 1)
        index = min(int(place), len(stops) - 2)
        part = place - index
        for channel, table in enumerate(tables):
            table.append(round(stops[index][channel] * (1 - part) + stops[index + 1][channel] * part))
    return tables


def _filled(outline: Outline, box: tuple[int, int, int, int]) -> Image.Image:
    large, draw = _sheet(box)
    draw.polygon(_placed(outline, box), fill=255)
    return large.reduce(_FINER)


def _stroked(line: Outline, width: float, box: tuple[int, int, int, int]) -> Image.Image:
    large, draw = _sheet(box)
    points, radius = _placed(line, box), width * _FINER / 2
    draw.polygon(ribbon(points, radius), fill=255)
    for x, y in (points[0], points[-1]):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return large.reduce(_FINER)


def _sheet(box: tuple[int, int, int, int]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    large = Image.new("L", ((box[2] - box[0]) * _FINER, (box[3] - box[1]) * _FINER))
    return large, ImageDraw.Draw(large)


def _placed(points: Outline, box: tuple[int, int, int, int]) -> Outline:
    return [((x - box[0]) * _FINER, (y - box[1]) * _FINER) for x, y in points]
