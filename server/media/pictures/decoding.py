"""From the bytes of a picture to its pixels as they are shown. Colours stay as the file has them.

Only what the declared type says is decoded, only the first frame, and only whole files: Pillow's
`LOAD_TRUNCATED_IMAGES` is never set. This belongs into a process with limits; see `workers.confined`.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from PIL import Image, UnidentifiedImageError

from server.media.content_types import MAX_PIXELS
from server.media.inspection import judge_dimensions
from server.media.media import Reason, Rejection
from server.media.pictures.avif import know_avif
from server.media.pictures.colours import resizable
from server.media.pictures.fitting import Size

# Pillow's name of the only decoder that may look at a file of this type. A JPEG with several pictures in it,
# as phones make them, is one to Pillow as well: it then is of the format MPO, and its first picture is taken.
_DECODERS: Final[Mapping[str, str]] = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
    "image/avif": "AVIF",
    "image/gif": "GIF",
}
_ORIENTATION_TAG: Final = 0x0112
# How what is stored becomes what is shown; 1 is as it is.
_TURNS: Final[Mapping[int, Image.Transpose]] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS: Final = frozenset({5, 6, 7, 8})


class Undecodable(Exception):  # noqa: N818 - named for what is so
    """The bytes are no picture that can be shown; `rejection` says why."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.detail)
        self.rejection = rejection


@dataclass(slots=True)
class Picture:
    """`image` is upright, in a mode that can be resized (see `colours`) and in the colours of `profile`, an
    ICC profile. It may have fewer pixels than the picture is wide and high: `size` says how many that are.
    """

    image: Image.Image
    profile: bytes | None
    size: Size


def decode(content: bytes, content_type: str, *, needed: Callable[[Size], Size]) -> Picture:
    """`needed(size)` tells, for a picture that is shown in this size, which pixels are enough; a JPEG is
    then decoded with as few as its decoder can without going below.

    Raises Undecodable for everything that is wrong with the bytes, and MemoryError.
    """
    know_avif()
    try:
        with _pixel_limit():
            return _decode(content, _DECODERS[content_type], needed)
    except (Undecodable, MemoryError):
        raise
    # What a decoder raises on hostile bytes is no closed list, and none of it may reach the worker.
    except Exception as error:  # noqa: BLE001 - see above
        if "out of memory" in str(error):
            raise MemoryError from None
        raise Undecodable(_rejection(error)) from None


def _decode(content: bytes, decoder: str, needed: Callable[[Size], Size]) -> Picture:
    image: Image.Image = Image.open(io.BytesIO(content), formats=[decoder])
    if found := judge_dimensions(*image.size):
        raise Undecodable(found)
    stored = Size(*image.size)
    raw_mode = _raw_mode(image)
    if decoder == "JPEG":
        image.draft(None, _as_stored(needed(_as_shown(stored, _orientation(image))), _orientation(image)))
    image.load()
    # PNG may write it after the pixels.
    orientation = _orientation(image)
    profile = image.info.get("icc_profile")
    # A copy without the file and its bytes; from here on each step lets go of the one before.
    image = image.transpose(_TURNS[orientation]) if orientation in _TURNS else image
    return Picture(resizable(image, raw_mode), profile, _as_shown(stored, orientation))


@contextmanager
def _pixel_limit() -> Iterator[None]:
    """Pillow's own check at our limit, as an error. It is global, so it is put back."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        with warnings.catch_warnings():
            # Whatever else is odd about a file is no matter for our log.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _raw_mode(image: Image.Image) -> str:
    """How the file writes a pixel, in Pillow's words; not told for every format."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0][3] if tiles else ""
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def _orientation(image: Image.Image) -> int:
    """By the EXIF block alone, as browsers have it; 1 when it is missing or broken. Beyond 8 is no turn."""
    block = image.info.get("exif")
    if not isinstance(block, bytes):
        return 1
    exif = Image.Exif()
    try:
        exif.load(block)
        value = exif.get(_ORIENTATION_TAG, 1)
    except (SyntaxError, ValueError, TypeError, LookupError, OSError, EOFError, struct.error):
        return 1
    return value if isinstance(value, int) else 1


def _as_shown(stored: Size, orientation: int) -> Size:
    return Size(stored.height, stored.width) if orientation in _SIDEWAYS else stored


# Turning to the side is its own opposite.
_as_stored = _as_shown


def _rejection(error: Exception) -> Rejection:
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return Rejection(Reason.TOO_MANY_PIXELS, f"The picture has more than {MAX_PIXELS:,} pixels.")
    if isinstance(error, UnidentifiedImageError):
        return Rejection(Reason.BROKEN, "The start of the file is not what its type prescribes.")
    if isinstance(error, EOFError) or "truncated" in str(error).lower():
        return Rejection(Reason.TRUNCATED, "The file ends before the picture does.")
    return Rejection(Reason.BROKEN, "The file is damaged: its picture cannot be decoded.")
