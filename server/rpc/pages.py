"""Page sizes and page tokens of List methods. The keyset query itself lives in each repository."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.message import Message

from server.errors import FieldViolation, InvalidArgument

Position = tuple[str | int, ...]

_MAC_BYTES = 16


RequestT = TypeVar("RequestT", bound=Message)


@dataclass(frozen=True, slots=True)
class Page:
    """How many rows to read, and after which keyset position (None: from the start)."""

    size: int
    after: Position | None


def _refuse(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(
        message,
        reason="PAGE_TOKEN_INVALID" if field == "page_token" else "INVALID_FIELD",
        fields=[FieldViolation(field, message)],
    )


class PageTokens:
    """Seals keyset positions into opaque tokens, bound to the caller and to the request's filter.

    `secrets`: the first signs, all verify. A token made for another caller, method or filter is refused with
    InvalidArgument, like a forged one.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        if not secrets:
            raise ValueError("at least one secret is needed to sign page tokens")
        self._keys = tuple(hashlib.sha256(b"millrace page tokens\0" + secret).digest() for secret in secrets)

    def open(self, request: Message, *, caller: str, default: int = 50, maximum: int = 500) -> Page:
        """Read the page asked for: size 0 means `default`, more than `maximum` means `maximum`."""
        page_size: int = request.page_size  # type: ignore[attr-defined]  # every List request has both
        page_token: str = request.page_token  # type: ignore[attr-defined]
        if page_size < 0:
            raise _refuse("page_size", "must be 0 (the default) or more")
        after = self._unseal(page_token, request, caller) if page_token else None
        return Page(size=min(page_size or default, maximum), after=after)

    def seal(self, request: Message, *, caller: str, after: Position) -> str:
        """The token that continues this request after the keyset position `after`."""
        payload = json.dumps(after, separators=(",", ":")).encode()
        mac = self._mac(self._keys[0], payload, request, caller)
        return base64.urlsafe_b64encode(mac + payload).rstrip(b"=").decode()

    def _unseal(self, token: str, request: Message, caller: str) -> Position:
        try:
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise _refuse("page_token", "is not one of ours; start again without it") from error
        mac, payload = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, self._mac(key, payload, request, caller)) for key in self._keys):
            raise _refuse("page_token", "belongs to another request; start again without it")
        return tuple(json.loads(payload))

    @staticmethod
    def _mac(key: bytes, payload: bytes, request: Message, caller: str) -> bytes:
        parts = (request.DESCRIPTOR.full_name.encode(), caller.encode(), _filter_of(request), payload)
        # Each part with its length, so that bytes cannot move from one to the next.
        framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(key, framed, "sha256")[:_MAC_BYTES]


def _filter_of(request: RequestT) -> bytes:
    """Everything of the request but the page itself."""
    rest = type(request)()
    rest.CopyFrom(request)
    rest.ClearField("page_size")
    rest.ClearField("page_token")
    return rest.SerializeToString(deterministic=True)
