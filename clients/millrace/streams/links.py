"""What an edge needs to know about a link to redirect a visit, packed into bytes for Redis and the caches."""

from __future__ import annotations

import struct
from enum import StrEnum
from typing import Annotated, Final

import msgspec

# Bytes 0-7 are the link's version, big-endian, so that Redis can compare two snapshots without decoding them.
_VERSION: Final = struct.Struct(">QB")
_FORMAT: Final = 1


class LinkStatus(StrEnum):
    """Whether a link redirects. Expiry is a time of its own and needs no status."""

    ACTIVE = "A"
    DISABLED = "D"


class MalformedSnapshot(ValueError):  # noqa: N818 - named for what is so
    """The bytes are no snapshot of a format known here; treat the link as not cached and ask the server."""


class LinkSnapshot(msgspec.Struct, frozen=True, gc=False):
    """A link as it was at ``version``. Judged when it is served: nothing has to happen when it expires.

    ``fallback_url`` is where a disabled or expired link leads, if anywhere; the program's own fallback is
    already folded in. ``attribution_window_s`` is in seconds.
    """

    version: int
    status: LinkStatus
    link_id: bytes
    partner_id: bytes
    product_id: str | None
    destination: str
    fallback_url: str | None
    expires_at_ms: int | None
    forward_query: bool
    click_id_parameter: str | None
    attribution_window_s: int


Id = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]


class _Body(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A snapshot without its version. Fields are positional; a new one means a new _FORMAT."""

    status: LinkStatus
    link_id: Id
    partner_id: Id
    product_id: str | None
    destination: str
    fallback_url: str | None
    expires_at_ms: int | None
    forward_query: bool
    click_id_parameter: str | None
    attribution_window_s: int


_encode_body = msgspec.msgpack.Encoder().encode
_decode_body = msgspec.msgpack.Decoder(_Body).decode


def pack(snapshot: LinkSnapshot) -> bytes:
    """The bytes of a snapshot; the first eight are its version (0 to 2^64 - 1), big-endian."""
    body = _Body(
        snapshot.status,
        snapshot.link_id,
        snapshot.partner_id,
        snapshot.product_id,
        snapshot.destination,
        snapshot.fallback_url,
        snapshot.expires_at_ms,
        snapshot.forward_query,
        snapshot.click_id_parameter,
        snapshot.attribution_window_s,
    )
    return _VERSION.pack(snapshot.version, _FORMAT) + _encode_body(body)


def unpack(packed: bytes) -> LinkSnapshot:
    """The snapshot in the bytes; raises MalformedSnapshot, nothing else."""
    if len(packed) <= _VERSION.size:
        raise MalformedSnapshot(f"a snapshot of {len(packed)} bytes is too short")
    version, layout = _VERSION.unpack_from(packed)
    if layout != _FORMAT:
        raise MalformedSnapshot(f"snapshot format {layout} is not known here")
    try:
        body = _decode_body(memoryview(packed)[_VERSION.size :])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedSnapshot(str(error)) from error
    return LinkSnapshot(
        version,
        body.status,
        body.link_id,
        body.partner_id,
        body.product_id,
        body.destination,
        body.fallback_url,
        body.expires_at_ms,
        body.forward_query,
        body.click_id_parameter,
        body.attribution_window_s,
    )
