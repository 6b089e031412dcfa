"""One product's picture, from the wall behind it to the bytes of a file, as a camera would write it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Final

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

from server.standalone.demo_pictures.backpack import draw_backpack
from server.standalone.demo_pictures.canvas import Canvas, Paint
from server.standalone.demo_pictures.desk_lamp import draw_desk_lamp
from server.standalone.demo_pictures.headphones import draw_headphones
from server.standalone.demo_pictures.kettle import draw_kettle
from server.standalone.demo_pictures.outlines import Outline, ellipse
from server.standalone.demo_pictures.palettes import PALETTES, Palette

SIZE: Final = (1600, 1200)
CONTENT_TYPE: Final = "image/jpeg"
_HORIZON = 850
_QUALITY = 90

_DRAWINGS: Mapping[str, Callable[[Canvas, Palette], None]] = {
    "Kettle": draw_kettle,
    "Backpack": draw_backpack,
    "Desk Lamp": draw_desk_lamp,
    "Headphones": draw_headphones,
}


def draw(maker: str, kind: str) -> bytes:
    """A JPEG of 1600×1200 pixels, with the metadata of a camera: where it was taken must not reach shoppers.

    Raises KeyError for a maker or a kind that the demo shop does not have.
    """
    palette = PALETTES[maker]
    canvas = Canvas(SIZE)
    _room(canvas, palette)
    _DRAWINGS[kind](canvas, palette)
    file = io.BytesIO()
    canvas.image.save(file, "JPEG", quality=_QUALITY, subsampling=0, exif=_metadata(maker))
    return file.getvalue()


def _room(canvas: Canvas, palette: Palette) -> None:
    """A wall with light on it, a floor, and the shadow of what stands there."""
    width, height = SIZE
    wall: Outline = [(0, 0), (width, 0), (width, height), (0, height)]
    canvas.fill(wall, Paint(palette.wall, downwards=True))
    canvas.fill(ellipse(640, 380, 520, 400), Paint(("#ffffff",), opacity=0.5, blur=150))
    floor: Outline = [(-60, _HORIZON), (width + 60, _HORIZON), (width + 60, height + 60), (-60, height + 60)]
    canvas.fill(floor, Paint(palette.floor, downwards=True, blur=14))
    canvas.fill(ellipse(830, 968, 420, 44), Paint((palette.shadow,), opacity=0.45, blur=34))
    canvas.fill(ellipse(815, 964, 300, 16), Paint((palette.shadow,), opacity=0.55, blur=12))


def _metadata(maker: str) -> Image.Exif:
    exif = Image.Exif()
    exif[Base.Artist] = f"{maker}'s studio"
    exif[Base.Make] = "Millrace"
    exif[Base.Model] = "Demo shop"
    exif[Base.Orientation] = 1
    exif.get_ifd(IFD.GPSInfo).update(
        {
            GPS.GPSLatitudeRef: "N",
            GPS.GPSLatitude: (47.0, 33.0, 36.0),
            GPS.GPSLongitudeRef: "E",
            GPS.GPSLongitude: (10.0, 45.0, 0.0),
        }
    )
    return exif
