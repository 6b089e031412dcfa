"""The ThumbHash of pixels: a blurred picture in about 25 bytes. Decoding one is left to who shows it.

The format is Evan Wallace's, evanw.github.io/thumbhash: a few cosine coefficients of luminance, two colour
differences and alpha, of 4 bits each. The package of that name on the index fails on pictures with alpha.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import cos, floor, pi
from operator import mul
from typing import Final

# So many coefficients across or down; luminance gets fewer when alpha needs room.
_LUMINANCE: Final = 7
_LUMINANCE_BESIDE_ALPHA: Final = 5
_COLOUR: Final = 3
_ALPHA: Final = 5
# What sums of a plain channel are off zero by.
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class _Channel:
    """`mean`, the other coefficients from 0 to 1, and the `scale` that they were divided by."""

    mean: float
    scale: float
    waves: tuple[float, ...]


def thumb_hash_of(width: int, height: int, rgba: bytes) -> bytes:
    """`rgba`: four bytes a pixel, row by row. Meant for some dozens of pixels a side: it is all Python."""
    alpha = [value / 255 for value in rgba[3::4]]
    red, green, blue = (_on_average(rgba[band::4], alpha) for band in range(3))
    luminance = [(r + g + b) / 3 for r, g, b in zip(red, green, blue, strict=True)]
    yellow_blue = [(r + g) / 2 - b for r, g, b in zip(red, green, blue, strict=True)]
    red_green = [r - g for r, g in zip(red, green, strict=True)]
    see_through = min(alpha) < 1
    most = _LUMINANCE_BESIDE_ALPHA if see_through else _LUMINANCE
    across, down = (max(1, _round(most * side / max(width, height))) for side in (width, height))
    channels = [
        _channel(luminance, width, max(3, across), max(3, down)),
        _channel(yellow_blue, width, _COLOUR, _COLOUR),
        _channel(red_green, width, _COLOUR, _COLOUR),
        *([_channel(alpha, width, _ALPHA, _ALPHA)] if see_through else []),
    ]
    return _packed(channels, shorter=min(across, down), is_landscape=width > height)


def _on_average(band: bytes, alpha: Sequence[float]) -> list[float]:
    """The band from 0 to 1 as it looks in front of its own mean colour."""
    seen = sum(alpha)
    mean = sum(map(mul, band, alpha)) / 255 / seen if seen else 0.0
    return [mean * (1 - part) + part * value / 255 for value, part in zip(band, alpha, strict=True)]


def _channel(values: Sequence[float], width: int, across: int, down: int) -> _Channel:
    """A two-dimensional cosine transform, of whose coefficients the lower triangle is kept."""
    height = len(values) // width
    rows = [values[start : start + width] for start in range(0, len(values), width)]
    # First along the rows, then down: the sums of each coefficient by itself, in a tenth of the steps.
    columns = [[sum(map(mul, row, _wave(width, x))) for row in rows] for x in range(across)]
    found = [
        sum(map(mul, columns[x], _wave(height, y))) / len(values)
        for y in range(down)
        for x in range(across)
        if x * down < across * (down - y)
    ]
    scale = max(map(abs, found[1:]))
    scale = scale if scale > _ROUNDING else 0.0
    waves = tuple(0.5 + 0.5 / scale * value if scale else 0.0 for value in found[1:])
    return _Channel(found[0], scale, waves)


@cache
def _wave(length: int, frequency: int) -> tuple[float, ...]:
    return tuple(cos(pi / length * frequency * (at + 0.5)) for at in range(length))


def _packed(channels: Sequence[_Channel], *, shorter: int, is_landscape: bool) -> bytes:
    luminance, yellow_blue, red_green, *alpha = channels
    colours = (
        _round(63 * luminance.mean)
        | _round(31.5 + 31.5 * yellow_blue.mean) << 6
        | _round(31.5 + 31.5 * red_green.mean) << 12
        | _round(31 * luminance.scale) << 18
        | bool(alpha) << 23
    )
    scales = (
        shorter | _round(63 * yellow_blue.scale) << 3 | _round(63 * red_green.scale) << 9 | is_landscape << 15
    )
    start = colours.to_bytes(3, "little") + scales.to_bytes(2, "little")
    opacity = bytes(_round(15 * each.mean) | _round(15 * each.scale) << 4 for each in alpha)
    waves = [_round(15 * wave) for channel in channels for wave in channel.waves]
    return start + opacity + bytes(_pairs(waves))


def _pairs(waves: Sequence[int]) -> Iterator[int]:
    """Two of 4 bits in a byte, the first one below."""
    for at in range(0, len(waves), 2):
        first, second = [*waves[at : at + 2], 0][:2]
        yield first | second << 4


def _round(value: float) -> int:
    """Half up, as in the format's own code."""
    return floor(value + 0.5)
