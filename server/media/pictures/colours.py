"""From any mode of Pillow's to one that can be resized, and on to sRGB. ICC profiles are in `profiles`.

Sixteen bits per channel become eight here by scaling, as every variant has eight.
"""

from __future__ import annotations

from typing import Final

from PIL import Image, ImageChops

from server.media.pictures.profiles import to_srgb_by_profile

# Opaque ones, which also say by which kind of ICC profile their colours can be meant.
_RESIZABLE: Final = frozenset({"L", "RGB", "CMYK"})
_WITH_ALPHA: Final = {"LA": "L", "RGBA": "RGB"}
# What Pillow makes of a mode that has neither alpha nor a transparent colour.
_OPAQUE_OF: Final = {"1": "L", "P": "RGB", "YCbCr": "RGB", "LAB": "RGB", "HSV": "RGB", "RGBX": "RGB"}
_ALPHA_OF: Final = {"PA": "RGBA", "RGBa": "RGBA", "La": "LA"}
_SIXTEEN_BITS: Final = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N"})
_HIGHEST_OF_SIXTEEN: Final = 65_535
# Pillow spreads the greys of 2 and 4 bits over 0 to 255 but tells the transparent one as it is written.
_GREY_STEPS: Final = {"L;2": 85, "L;4": 17}


def resizable(image: Image.Image, raw_mode: str = "") -> Image.Image:
    """`image` as L, LA, RGB, RGBA or CMYK, with alpha only when a pixel is not opaque, and no metadata.

    `raw_mode`: how its file writes a pixel, in Pillow's words; a transparent colour is told in those terms.
    """
    plain = _plain(image, raw_mode)
    if plain.mode in _WITH_ALPHA and not has_transparency(plain):
        plain = plain.convert(_WITH_ALPHA[plain.mode])
    plain.info = {}
    return plain


def has_transparency(image: Image.Image) -> bool:
    """Whether a pixel of an image in LA or RGBA is not opaque; never, of one in another mode."""
    if image.mode not in _WITH_ALPHA:
        return False
    lowest, _ = image.getchannel("A").getextrema()
    return lowest != 255


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """What `resizable` gave, as RGB or RGBA in sRGB. A profile that does not fit or is broken counts as none;
    CMYK without one is taken as plain ink on white.
    """
    if image.mode not in _WITH_ALPHA:
        return _opaque_to_srgb(image, profile)
    if image.mode == "RGBA" and not profile:
        return image
    opaque = image.convert(_WITH_ALPHA[image.mode])
    coloured = _opaque_to_srgb(opaque, profile)
    coloured.putalpha(image.getchannel("A"))
    return coloured


def _opaque_to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    converted = to_srgb_by_profile(image, profile) if profile else None
    if converted is not None:
        return converted
    return image if image.mode == "RGB" else image.convert("RGB")


def _plain(image: Image.Image, raw_mode: str) -> Image.Image:
    transparent = image.info.get("transparency")
    if image.mode in _SIXTEEN_BITS:
        return _from_sixteen_bits(image, transparent)
    if image.mode in _ALPHA_OF:
        return image.convert(_ALPHA_OF[image.mode])
    if image.mode in _RESIZABLE or image.mode in _WITH_ALPHA or image.mode in _OPAQUE_OF:
        return _from_eight_bits(image, transparent, raw_mode)
    return image.convert("RGB")


def _from_eight_bits(image: Image.Image, transparent: object, raw_mode: str) -> Image.Image:
    if image.mode == "P":
        see_through = transparent is not None or (image.palette and image.palette.mode.endswith("A"))
        return image.convert("RGBA" if see_through else "RGB")
    if transparent is not None and image.mode in ("1", "L", "RGB"):
        image.info["transparency"] = _in_eight_bits(transparent, raw_mode)
        return image.convert("RGBA" if image.mode == "RGB" else "LA")
    # Never the image itself, whose metadata goes.
    return image.convert(_OPAQUE_OF[image.mode]) if image.mode in _OPAQUE_OF else image


def _in_eight_bits(transparent: object, raw_mode: str) -> object:
    if isinstance(transparent, int):
        return transparent * _GREY_STEPS.get(raw_mode, 1)
    if isinstance(transparent, tuple) and raw_mode == "RGB;16B":
        # Pillow keeps the upper byte of each channel.
        return tuple(channel >> 8 for channel in transparent)
    return transparent


def _from_sixteen_bits(image: Image.Image, transparent: object) -> Image.Image:
    # A linear function is all that Pillow takes here; with the half it rounds.
    grey = image.point(lambda value: value * (255 / _HIGHEST_OF_SIXTEEN) + 0.5).convert("L")
    if not isinstance(transparent, int) or image.mode != "I;16":
        return grey
    grey.putalpha(_differs(image, transparent))
    return grey


def _differs(image: Image.Image, value: int) -> Image.Image:
    """255 where a pixel of an I;16 image is not exactly `value`, else 0."""
    pixels = image.tobytes()
    lower = Image.frombytes("L", image.size, pixels[0::2])
    upper = Image.frombytes("L", image.size, pixels[1::2])
    return ImageChops.lighter(
        lower.point([255 * (byte != value & 255) for byte in range(256)]),
        upper.point([255 * (byte != value >> 8) for byte in range(256)]),
    )
