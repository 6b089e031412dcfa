"""Where objects are kept in the bucket. Nothing that a caller gives becomes part of a path as it is."""

from __future__ import annotations

import re
import uuid
from typing import Final

from server.media.content_types import EXTENSIONS, VARIANT_TYPES
from server.media.recipes import Recipe

# No entity type begins with an underscore, so originals and variants never meet.
VARIANTS: Final = "_variants/"

# What is behind a variant's URL never changes: other content or another recipe has another key.
IMMUTABLE: Final = "public, max-age=31536000, immutable"

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_ORIGINAL = re.compile(r"[a-z][a-z0-9_-]{0,31}/[A-Za-z0-9_-]{1,128}/[0-9a-f-]{36}\.[a-z]{3,4}")
_VARIANT = re.compile(r"_variants/([0-9a-f]{64})/[a-z][a-z0-9_-]{0,31}-[0-9a-f]{16}\.[a-z]{3,4}")


def original_key(entity_type: str, entity_id: str, media_id: uuid.UUID, content_type: str) -> str:
    """`{entity_type}/{entity_id}/{media_id}.{ext}`; letters of the id that are not plain become hyphens.

    Two ids may then look alike; the media id tells them apart. `content_type` is one of EXTENSIONS.
    """
    return f"{entity_type}/{_UNSAFE.sub('-', entity_id)}/{media_id}.{EXTENSIONS[content_type]}"


def variant_key(sha256: bytes, recipe: Recipe) -> str:
    """The place of what a recipe makes of some content: the same for every picture that shares both."""
    extension = EXTENSIONS[VARIANT_TYPES[recipe.format]]
    return f"{VARIANTS}{sha256.hex()}/{recipe.name}-{recipe.hash}.{extension}"


def content_of(key: str) -> bytes | None:
    """The SHA-256 of the content that a variant was made of; None when the key is not a variant's."""
    found = _VARIANT.fullmatch(key)
    return bytes.fromhex(found[1]) if found else None


def is_ours(key: str) -> bool:
    """Whether a key has a form that only we write. The bucket may hold what is none of our business."""
    return _ORIGINAL.fullmatch(key) is not None or _VARIANT.fullmatch(key) is not None
