"""The rules for the fields of one event as clients send it, each on its own.

What follows from several fields and the time of receipt is `event_input`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeAlias, cast, get_args

import msgspec

from millrace.streams.event_verdicts import Refused

MAX_ID: Final = 128
MAX_URL_BYTES: Final = 2_048

# JSON's null, which stands for a member that is not there.
ABSENT: Final = msgspec.Raw(b"null")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)

_PARSED: Final = msgspec.Raw(b"{}")

_Key: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID)]
_Url: TypeAlias = Annotated[str, msgspec.Meta(max_length=MAX_URL_BYTES)]
_Instant: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
# All but `search`, which is the search service's to write.
SentType: TypeAlias = Literal["page_view", "product_view", "click", "add_to_cart", "purchase"]
SENT_TYPES: Final = get_args(SentType)


class SentEvent(msgspec.Struct, rename="camel", gc=False):
    """An event's fields, of the right types. Typed decoding judges most of it.

    Left to judge: `id`; `metadata`; and, where a text is not all ASCII, NUL characters and bytes of urls.
    """

    type: SentType
    session_id: _Key
    id: str | None = None
    user_id: _Key | None = None
    product_id: _Key | None = None
    url: _Url | None = None
    referrer: _Url | None = None
    metadata: msgspec.Raw = ABSENT
    timestamp: _Instant | None = None


class ParsedEvent(SentEvent, gc=False):
    """An event whose metadata was parsed elsewhere: `document` stands for `metadata`, which is not ABSENT."""

    document: Any = None


_decode_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text: Final = msgspec.json.Decoder(str).decode


def read_fields(item: bytes) -> SentEvent:
    """The fields of an event given as JSON whose grammar is right; raises Refused for the first wrong one."""
    if not item.startswith(b"{"):
        raise Refused("", "wrong_type")
    try:
        members = _decode_members(item)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused("", "malformed") from None

    def text(field: str) -> str | None:
        return _read_text(bytes(members.get(field, ABSENT)), field)

    return _sent_event(
        text,
        members.get("metadata", ABSENT),
        lambda: _read_instant(text("timestamp")),
    )


def check_fields(item: Mapping[str, Any]) -> SentEvent:
    """The fields of an event that was parsed elsewhere, under the same names; raises Refused.

    `metadata` is a dict, `timestamp` a datetime with a zone; None is absent.
    """

    def text(field: str) -> str | None:
        value = item.get(field)
        if value is None or isinstance(value, str):
            return value
        raise Refused(field, "wrong_type")

    document = item.get("metadata")
    return _sent_event(
        text,
        ABSENT if document is None else _PARSED,
        lambda: _checked_instant(item.get("timestamp")),
        partial(ParsedEvent, document=document),
    )


def _sent_event(
    text: Callable[[str], str | None],
    metadata: msgspec.Raw,
    instant: Callable[[], datetime | None],
    event: Callable[..., SentEvent] = SentEvent,
) -> SentEvent:
    return event(
        _kind(text("type")),
        _required(_key(text("sessionId"), "sessionId"), "sessionId"),
        text("id"),
        _key(text("userId"), "userId"),
        _key(text("productId"), "productId"),
        check_url(text("url"), "url"),
        check_url(text("referrer"), "referrer"),
        metadata,
        instant(),
    )


def _kind(value: str | None) -> SentType:
    kind = _required(value, "type")
    if kind not in SENT_TYPES:
        raise Refused("type", "not_allowed")
    return cast(SentType, kind)


def _required(value: str | None, field: str) -> str:
    if value is None:
        raise Refused(field, "required")
    return value


def _key(value: str | None, field: str) -> str | None:
    """A session's, user's or product's id: 1 to 128 characters."""
    if value is None:
        return None
    if not 1 <= len(value) <= MAX_ID:
        raise Refused(field, "too_long" if value else "empty")
    return check_storable(value, field)


def check_url(value: str | None, field: str) -> str | None:
    """A url of at most 2 KiB. That it is a url is not asked: what browsers send is worth keeping anyhow."""
    if value is None:
        return None
    if len(check_storable(value, field).encode()) > MAX_URL_BYTES:
        raise Refused(field, "too_long")
    return value


def check_storable(value: str, field: str) -> str:
    """The text, unless PostgreSQL could not store it."""
    if "\0" in value:
        raise Refused(field, "unstorable")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Refused(field, "unstorable") from None
    return value


def _read_text(raw: bytes, field: str) -> str | None:
    if raw == b"null":
        return None
    if not raw.startswith(b'"'):
        raise Refused(field, "wrong_type")
    try:
        return _decode_text(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refused(field, "malformed") from None


def _read_instant(value: str | None) -> datetime | None:
    return None if value is None else parse_instant(value)


def parse_instant(value: str) -> datetime:
    """The instant of an RFC 3339 text with a zone; raises Refused for the field ``timestamp``."""
    try:
        return msgspec.convert(value, _Instant)
    except msgspec.ValidationError:
        raise Refused("timestamp", "not_a_time") from None


def unix_ms(instant: datetime) -> int:
    """The Unix time of an instant in milliseconds, rounded down."""
    return (instant - _EPOCH) // _MILLISECOND


def _checked_instant(value: Any) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise Refused("timestamp", "not_a_time")
    return value
