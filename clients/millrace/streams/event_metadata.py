"""The rules for an event's metadata, and the compact JSON in which it is kept."""

from __future__ import annotations

import re
from math import isfinite
from typing import Any, Final

import msgspec

from millrace.streams.event_verdicts import Refused

MAX_KEYS: Final = 32
MAX_DEPTH: Final = 4  # the metadata object itself is the first level
MAX_BYTES: Final = 8_192
# As sent, with white space and escapes: nobody means more, and reading it would hold up everybody else.
MAX_SENT_BYTES: Final = 65_536
MAX_AMOUNT: Final = 1 << 53  # beyond it JavaScript no longer tells neighbours apart
MAX_ORDER_ID: Final = 128

_PURCHASE_FIELDS: Final = ("amount", "currency", "orderId", "quantity")
_CURRENCY: Final = re.compile("[A-Z]{3}")

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_decode_value: Final = msgspec.json.Decoder().decode
_split: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def read_metadata(raw: bytes, *, purchase: bool) -> bytes | None:
    """Metadata as JSON, made compact; None for null. Raises Refused. Of repeated keys the last one counts.

    Whole numbers are kept exactly, up to the digits Python converts (4,300); others as 64-bit floats.
    """
    if len(raw) > MAX_SENT_BYTES:
        raise Refused("metadata", "too_large")
    try:
        document = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if raw == b"null":
            return None
        raise _blame(raw) from None
    if len(document) > MAX_KEYS:
        raise Refused("metadata", "too_many_keys")
    if purchase:
        _check_purchase(document)
    encoded = _encoded(document)
    # Nothing else that parsed can be wrong, so most metadata is not walked through.
    if b"\\u0000" in encoded or encoded.count(b"{") + encoded.count(b"[") > 1:
        _check_value(document, 1)
    return encoded


def check_metadata(document: Any, *, purchase: bool) -> bytes:
    """Metadata that was parsed elsewhere, as compact JSON; raises Refused."""
    if not isinstance(document, dict):
        raise Refused("metadata", "wrong_type")
    if len(document) > MAX_KEYS:
        raise Refused("metadata", "too_many_keys")
    _check_value(document, 1)
    document = dict(document)
    if purchase:
        _check_purchase(document)
    return _encoded(document)


def _encoded(document: dict[str, Any]) -> bytes:
    try:
        encoded = _encode(document)
    except OverflowError:
        raise Refused("metadata", "out_of_range") from None
    except UnicodeEncodeError:
        raise Refused("metadata", "unstorable") from None
    except (TypeError, RecursionError):
        raise Refused("metadata", "wrong_type") from None
    if len(encoded) > MAX_BYTES:
        raise Refused("metadata", "too_large")
    return encoded


def _blame(raw: bytes) -> Refused:
    """Why this metadata, whose grammar is known to be right, could not be decoded."""
    if not raw.startswith(b"{"):
        return Refused("metadata", "wrong_type")
    try:
        for key, value in _split(raw).items():
            try:
                _decode_value(value)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                return Refused(f"metadata.{key}" if key in _PURCHASE_FIELDS else "metadata", _reason(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Refused("metadata", _reason(error))
    return Refused("metadata", "malformed")  # of a key given twice, the one that does not count


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "too_deep"
    return "out_of_range" if isinstance(error, msgspec.ValidationError) else "malformed"


def _check_value(value: Any, level: int) -> None:
    """What PostgreSQL's jsonb cannot store or we do not want to: NUL characters, endless numbers, depth."""
    if isinstance(value, str):
        if "\0" in value:
            raise Refused("metadata", "unstorable")
    elif isinstance(value, float):
        if not isfinite(value):
            raise Refused("metadata", "out_of_range")
    elif isinstance(value, dict | list):
        if level > MAX_DEPTH:
            raise Refused("metadata", "too_deep")
        for each in value:
            _check_value(each, level + 1)
        if isinstance(value, dict):
            for each in value.values():
                _check_value(each, level + 1)


def _check_purchase(document: dict[str, Any]) -> None:
    """The members with a meaning of their own; a whole number written as 3.0 becomes 3."""
    amount = _whole_number(document, "amount", 0)
    _whole_number(document, "quantity", 1)
    currency, order_id = document.get("currency"), document.get("orderId")
    if currency is None:
        if amount is not None:
            raise Refused("metadata.currency", "required")
    elif not isinstance(currency, str):
        raise Refused("metadata.currency", "wrong_type")
    elif not _CURRENCY.fullmatch(currency):
        raise Refused("metadata.currency", "not_a_currency")
    if order_id is None:
        return
    if not isinstance(order_id, str):
        raise Refused("metadata.orderId", "wrong_type")
    if not 1 <= len(order_id) <= MAX_ORDER_ID:
        raise Refused("metadata.orderId", "too_long" if order_id else "empty")


def _whole_number(document: dict[str, Any], key: str, least: int) -> int | None:
    number = document.get(key)
    if number is None:
        return None
    if isinstance(number, float) and number.is_integer():
        number = document[key] = int(number)
    if not isinstance(number, int) or isinstance(number, bool):
        raise Refused(f"metadata.{key}", "wrong_type")
    if not least <= number <= MAX_AMOUNT:
        raise Refused(f"metadata.{key}", "out_of_range")
    return number
