"""What a picture is to the domain: its states, why bytes are refused, and the values that are passed on."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from server.media.recipes import Recipes


class MediaStatus(StrEnum):
    """How far a picture has come, as in the contract."""

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    READY = "READY"
    REJECTED = "REJECTED"


class Reason(StrEnum):
    """Why bytes are not taken, as in the contract, which explains each."""

    WRONG_TYPE = "WRONG_TYPE"
    SIZE_MISMATCH = "SIZE_MISMATCH"
    CHECKSUM_MISMATCH = "CHECKSUM_MISMATCH"
    TOO_MANY_PIXELS = "TOO_MANY_PIXELS"
    TOO_MANY_FRAMES = "TOO_MANY_FRAMES"
    TRUNCATED = "TRUNCATED"
    BROKEN = "BROKEN"
    POLYGLOT = "POLYGLOT"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    DECODER_CRASHED = "DECODER_CRASHED"
    OBJECT_LOST = "OBJECT_LOST"


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why bytes are not taken; `detail` is a sentence for people that shows nothing of our inside."""

    reason: Reason
    detail: str


LOST: Final = Rejection(Reason.OBJECT_LOST, "The picture is gone from the store, and so are its variants.")


@dataclass(frozen=True, slots=True)
class Content:
    """What was found in the bytes. Pixels as shown, after EXIF orientation; `dominant_color` as `#rrggbb`."""

    sha256: bytes
    width: int
    height: int
    thumbhash: bytes
    dominant_color: str


@dataclass(frozen=True, slots=True)
class StoredVariant:
    """A finished variant and where its object is."""

    name: str
    key: str
    width: int
    height: int
    bytes: int
    format: str


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """A picture as it is stored. `content` is None until it was READY once."""

    media_id: uuid.UUID
    entity_type: str
    entity_id: str
    key: str
    filename: str
    content_type: str
    declared_bytes: int
    declared_sha256: bytes | None
    status: MediaStatus
    rejection: Rejection | None
    wanted: Recipes
    content: Content | None
    variants: tuple[StoredVariant, ...]
    created_at: datetime
    updated_at: datetime
