"""What is shown before a picture has arrived: its ThumbHash and its dominant colour. Changes no pixel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from PIL import Image

from server.media.pictures.thumb_hashes import thumb_hash_of

# Enough for both, which are computed in Python: 2 ms for so many pixels.
SMALL_SIDE: Final = 32
_TRANSPARENT_BELOW: Final = 128
# Colours count as the same that agree in so many upper bits of each channel.
_COLOUR_BITS: Final = 4
_OF_NOTHING: Final = "#ffffff"

_Colour = tuple[int, int, int]


def thumb_hash(small: Image.Image) -> bytes:
    """Of an image in RGB or RGBA with at most SMALL_SIDE pixels a side; see `thumb_hashes`."""
    return thumb_hash_of(small.width, small.height, small.convert("RGBA").tobytes())


def dominant_colour(small: Image.Image) -> str:
    """The mean of the most frequent sort of colours, as `#rrggbb`. White when nothing can be seen."""
    colours = _visible(small)
    if not colours:
        return _OF_NOTHING
    sorts = Counter(map(_sort, colours))
    # Of equally frequent ones the same wins every time, whatever order pixels are in.
    most = max(sorts, key=lambda sort: (sorts[sort], sort))
    red, green, blue = _mean(colour for colour in colours if _sort(colour) == most)
    return f"#{red:02x}{green:02x}{blue:02x}"


def _visible(small: Image.Image) -> list[_Colour]:
    raw = small.convert("RGBA").tobytes()
    pixels = zip(raw[0::4], raw[1::4], raw[2::4], raw[3::4], strict=True)
    return [(red, green, blue) for red, green, blue, alpha in pixels if alpha >= _TRANSPARENT_BELOW]


def _sort(colour: _Colour) -> _Colour:
    red, green, blue = colour
    shift = 8 - _COLOUR_BITS
    return red >> shift, green >> shift, blue >> shift


def _mean(colours: Iterable[_Colour]) -> _Colour:
    reds, greens, blues = zip(*colours, strict=True)
    count = len(reds)
    return round(sum(reds) / count), round(sum(greens) / count), round(sum(blues) / count)
