"""UUIDv7 ids as 16 bytes: minted, written, read, and asked for the time they carry."""

from __future__ import annotations

from binascii import unhexlify
from secrets import token_bytes
from typing import Final

from uuid_utils import uuid7

_MAX_TIME_MS: Final = (1 << 48) - 1


def new_id_bytes() -> bytes:
    """A new UUIDv7 of this moment, greater than those this process minted before."""
    return uuid7().bytes


def id_bytes_at(at_ms: int) -> bytes:
    """A new UUIDv7 that carries the given Unix time in milliseconds; random within that millisecond."""
    if not 0 <= at_ms <= _MAX_TIME_MS:
        raise ValueError(f"{at_ms} is no time a UUIDv7 can carry")
    tail = bytearray(token_bytes(10))
    tail[0] = 0x70 | (tail[0] & 0x0F)  # version 7
    tail[2] = 0x80 | (tail[2] & 0x3F)  # the RFC 9562 variant
    return at_ms.to_bytes(6, "big") + tail


def id_text(value: bytes) -> str:
    """The canonical lower-case text of a 16-byte id."""
    if len(value) != 16:
        raise ValueError(f"an id has 16 bytes, not {len(value)}")
    digits = value.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def id_bytes(text: str) -> bytes:
    """The 16 bytes of a canonical id (either case).

    Raises ValueError for all else, also for the braced, hyphenless and URN forms that ``uuid.UUID`` takes.
    """
    if len(text) == 36 and text[8] == text[13] == text[18] == text[23] == "-":
        digits = text.replace("-", "")
        # Shorter, and there was a hyphen too many. Unlike bytes.fromhex, unhexlify allows no spaces.
        if len(digits) == 32:
            return unhexlify(digits)
    raise ValueError("not a UUID in its canonical form")


def id_time_ms(value: bytes) -> int:
    """The Unix time in milliseconds that a UUIDv7 carries."""
    return int.from_bytes(value[:6], "big")
