"""Colours by their ICC profile: what a profile may be used for, and the way to sRGB. Reads no file.

A profile whose kind of colours is not the image's must never reach the transform: pillow-simd 12.1 then
writes outside of its buffers (CVE-2026-59205).
"""

from __future__ import annotations

import io
from functools import cache
from typing import Final

from PIL import Image, ImageChops, ImageCms

# Kinds of colours as ICC writes them, by the mode that holds such pixels.
_COLOURS_OF: Final = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
# Input, display, output and colour space profiles; the others are no description of an image's colours.
_CLASSES: Final = frozenset({"scnr", "mntr", "prtr", "spac"})
_CONNECTIONS: Final = frozenset({"XYZ", "Lab"})
# The usual sRGB profiles differ from each other by their rounding.
_SAME_WITHIN: Final = 2


def to_srgb_by_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """`image`, in L, RGB or CMYK, as RGB in sRGB; itself when the profile is sRGB already.

    None when the profile is broken, or describes other colours than the image can hold.
    """
    try:
        transform = _transform(image.mode, profile)
        if transform is None:
            return None
        return image if image.mode == "RGB" and _changes_nothing(transform) else _apply(transform, image)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _transform(mode: str, content: bytes) -> ImageCms.ImageCmsTransform | None:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
    described = profile.profile
    fits = (
        described.xcolor_space.strip() == _COLOURS_OF.get(mode)
        and described.device_class in _CLASSES
        and described.connection_space.strip() in _CONNECTIONS
    )
    if not fits:
        return None
    return ImageCms.ImageCmsTransform(profile, _srgb(), mode, "RGB", ImageCms.Intent.PERCEPTUAL)


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _apply(transform: ImageCms.ImageCmsTransform, image: Image.Image) -> Image.Image:
    converted = Image.new("RGB", image.size, None)
    transform.apply(image, converted)
    converted.info = {}
    return converted


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Tells sRGB by what it does to colours from all over the cube, whatever it calls itself."""
    before = _cube()
    difference = ImageChops.difference(before, _apply(transform, before))
    return all(highest <= _SAME_WITHIN for _, highest in difference.getextrema())  # type: ignore[misc]


@cache
def _cube() -> Image.Image:
    steps = range(0, 256, 51)
    colours = [(red, green, blue) for red in steps for green in steps for blue in steps]
    image = Image.new("RGB", (len(colours), 1))
    image.putdata(colours)
    return image
