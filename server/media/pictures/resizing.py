"""The cascade: each variant's pixels from the smallest copy of the picture that is good enough for it.

How large a variant is, and what is cut, is the matter of `fitting`; how it is written, of `encoding`.
"""

from __future__ import annotations

from typing import Final

from PIL import Image

from server.media.pictures.colours import to_srgb
from server.media.pictures.decoding import Picture
from server.media.pictures.fitting import Box, Plan, Size

# A copy serves when it has so many times the pixels of what is made of it, across and down, or just those.
# Against resizing the full picture this stays above 40 dB, and 48 dB for the usual set; see the tests.
_ROOM: Final = 1.3
# Reduces by whole numbers first, down to so many times the result; Pillow calls the outcome close to fair.
_REDUCING_GAP: Final = 2.0


class Cascade:
    """The whole picture in several sizes, all in sRGB but the first, which is as decoded.

    Ask for the large variants first: those are made from the picture and then serve the smaller ones.
    """

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._size = Size(*picture.image.size)
        self._copies: list[Image.Image] = []

    def cut(self, plan: Plan) -> Image.Image:
        """The crop of `plan`, as RGB or RGBA in sRGB; not yet on its canvas."""
        copy = self._copy_for(plan.scaled)
        if copy is None and self._deserves_copy(plan):
            copy = self._add_copy(plan.scaled)
        if copy is None:
            return to_srgb(_cut(self._picture.image, plan), self._picture.profile)
        return _cut(copy, plan)

    def small(self, longest: int) -> Image.Image:
        """The whole picture with at most so many pixels on its longer side; never enlarged."""
        width, height = self._size
        scale = min(1, longest / max(self._size))
        size = Size(max(1, round(width * scale)), max(1, round(height * scale)))
        return self.cut(Plan(size, Box(0, 0, *size), canvas=size, offset=(0, 0)))

    def _copy_for(self, scaled: Size) -> Image.Image | None:
        serving = [copy for copy in self._copies if _serves(Size(*copy.size), scaled)]
        return min(serving, key=lambda copy: copy.width * copy.height, default=None)

    def _deserves_copy(self, plan: Plan) -> bool:
        """Whether the whole takes no enlarging, and the crop is most of it anyway."""
        crop, scaled = plan.crop.size, plan.scaled
        enlarged = scaled.width > self._size.width or scaled.height > self._size.height
        return not enlarged and crop.width * crop.height * 2 >= scaled.width * scaled.height

    def _add_copy(self, scaled: Size) -> Image.Image:
        smaller = _resized(self._picture.image, scaled, (0, 0, *self._size))
        copy = to_srgb(smaller, self._picture.profile)
        # The smallest ones serve what is still to come; all of them could be more than memory holds.
        self._copies = [*self._copies[-1:], copy]
        return copy


def _serves(size: Size, scaled: Size) -> bool:
    if size == scaled:
        return True
    return size.width >= _ROOM * scaled.width and size.height >= _ROOM * scaled.height


def _cut(image: Image.Image, plan: Plan) -> Image.Image:
    if image.size == plan.scaled:
        return image if plan.is_whole else image.crop(plan.crop)
    across, down = image.width / plan.scaled.width, image.height / plan.scaled.height
    left, upper, right, lower = plan.crop
    box = (left * across, upper * down, min(right * across, image.width), min(lower * down, image.height))
    return _resized(image, plan.crop.size, box)


def _resized(image: Image.Image, size: Size, box: tuple[float, float, float, float]) -> Image.Image:
    """`box` of `image` in that size. Pillow multiplies colours by alpha for it, so that no fringes appear."""
    if image.size == size and box == (0, 0, *size):
        return image
    return image.resize(size, Image.Resampling.LANCZOS, box, reducing_gap=_REDUCING_GAP)
