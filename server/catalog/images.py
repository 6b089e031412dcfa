"""What the catalogue shows of a product's pictures. Making and keeping them is another domain's work."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageVariant:
    """A picture in one size; `format` is `webp`, `jpeg`, `png` or `avif`."""

    name: str
    url: str
    width: int
    height: int
    format: str


@dataclass(frozen=True, slots=True)
class ProductImage:
    """A picture that can be shown. Pixels of the original as shown; `dominant_color` as `#rrggbb`."""

    width: int
    height: int
    thumbhash: bytes
    dominant_color: str
    variants: tuple[ImageVariant, ...]


# Those of the pictures that can be shown, by their ids: one question however many are asked for.
FindImages = Callable[[Collection[uuid.UUID]], Awaitable[Mapping[uuid.UUID, ProductImage]]]
