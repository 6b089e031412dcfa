"""The signed cookie that carries a click to the order it may lead to. HTTP headers are the edge's."""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from millrace.streams.ids import id_time_ms

# `1.<key id>.<64 characters>`: link id, click id and signature are 48 bytes, which base64 writes without
# padding, so that every value has exactly one spelling. A key id of twelve characters makes 79 in all.
_VERSION: Final = "1"
_SIGNED_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 16
_SHAPE: Final = re.compile(r"([0-9]{1,3})\.([A-Za-z0-9_-]{1,12})\.([A-Za-z0-9_-]{64})", re.ASCII)
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,12}", re.ASCII)

# Clocks of edges may differ by this much before a click counts as forged.
MAX_SKEW_MS: Final = 120_000


class TrackingFault(StrEnum):
    """Why a cookie value is not believed."""

    MALFORMED = "malformed"
    UNKNOWN_VERSION = "unknown_version"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    FROM_THE_FUTURE = "from_the_future"


class InvalidTracking(ValueError):  # noqa: N818 - named for what is so
    """The value was not signed by us, or not for this time. Never quotes the value."""

    def __init__(self, reason: TrackingFault) -> None:
        super().__init__(f"invalid tracking cookie: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class TrackingTouch:
    """A visit somebody can prove: which link, which click, when (Unix milliseconds, from the click id)."""

    link_id: bytes
    click_id: bytes
    at_ms: int


class CookieSigner:
    """Signs with the first of its keys and believes all of them, so that keys rotate without a lost touch."""

    def __init__(self, keys: Sequence[tuple[str, str]]) -> None:
        if not keys:
            raise ValueError("a cookie signer needs at least one key")
        for key_id, secret in keys:
            if _KEY_ID.fullmatch(key_id) is None:
                raise ValueError(f"a cookie key id is 1 to 12 letters, digits, - or _; {key_id!r} is not")
            if not secret:
                raise ValueError(f"cookie key {key_id!r} has an empty secret")
        self._secrets = {key_id: secret.encode() for key_id, secret in keys}
        if len(self._secrets) != len(keys):
            raise ValueError("cookie key ids must differ")
        first_id, first_secret = keys[0]
        self._prefix = f"{_VERSION}.{first_id}."
        # Every redirect signs: keying the MAC anew each time would cost more than the signature.
        self._keyed_mac = hmac.new(first_secret.encode(), self._prefix.encode(), "sha256")

    def sign(self, link_id: bytes, click_id: bytes) -> str:
        """The cookie value for a click: under 80 characters, none of which needs quoting or escaping."""
        touch = link_id + click_id
        if len(touch) != _SIGNED_BYTES:
            raise ValueError("link and click ids have 16 bytes each")
        mac = self._keyed_mac.copy()
        mac.update(touch)
        signed = touch + mac.digest()[:_SIGNATURE_BYTES]
        return self._prefix + urlsafe_b64encode(signed).decode("ascii")

    def verify(self, value: str, *, now_ms: int) -> TrackingTouch:
        """The touch a value proves; raises InvalidTracking, nothing else, whatever the value is."""
        shape = _SHAPE.fullmatch(value)
        if shape is None:
            raise InvalidTracking(TrackingFault.MALFORMED)
        version, key_id, payload = shape.groups()
        if version != _VERSION:
            raise InvalidTracking(TrackingFault.UNKNOWN_VERSION)
        secret = self._secrets.get(key_id)
        if secret is None:
            raise InvalidTracking(TrackingFault.UNKNOWN_KEY)
        signed = urlsafe_b64decode(payload)
        touch, signature = signed[:_SIGNED_BYTES], signed[_SIGNED_BYTES:]
        expected = _signature(secret, f"{version}.{key_id}.".encode(), touch)
        if not hmac.compare_digest(signature, expected):
            raise InvalidTracking(TrackingFault.BAD_SIGNATURE)
        at_ms = id_time_ms(touch[16:])
        if at_ms > now_ms + MAX_SKEW_MS:
            raise InvalidTracking(TrackingFault.FROM_THE_FUTURE)
        return TrackingTouch(touch[:16], touch[16:], at_ms)


def _signature(secret: bytes, prefix: bytes, touch: bytes) -> bytes:
    """HMAC-SHA256 over version, key id and touch, cut to 128 bits (RFC 2104, section 5, allows half)."""
    return hmac.digest(secret, prefix + touch, "sha256")[:_SIGNATURE_BYTES]
