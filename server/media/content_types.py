"""Which types of pictures are taken, and what names their files have. How bytes are judged is elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from server.media.recipes import Format

# The extension of an original by its declared type; no other type is taken.
EXTENSIONS: Final[Mapping[str, str]] = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/avif": "avif",
    "image/gif": "gif",
}

# Of a variant, by its format.
VARIANT_TYPES: Final[Mapping[Format, str]] = {
    "webp": "image/webp",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "avif": "image/avif",
}

MAX_BYTES: Final = 25 * 1024 * 1024
MAX_PIXELS: Final = 50_000_000
MAX_SIDE: Final = 65_535
MAX_FRAMES: Final = 1_000
