"""JSON text to Python values, strictly: one key once, at most 100 levels, UTF-8, no NaN, no lone surrogates.

msgspec is the judge of the grammar, because it is strict and fast; it does not see repeated keys, so those
are looked for here.
"""

from __future__ import annotations

import json
from typing import NamedTuple

import msgspec

from edge.rest.violations import InvalidValueError

MAX_NESTING = 100

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_CONTAINERS = (dict, list)


class Document(NamedTuple):
    """A parsed JSON text, and the most objects and arrays that it can have."""

    value: object
    containers: int


def parse_json(text: bytes) -> Document:
    """Parse one JSON text. Raises `InvalidValueError` for anything but strict JSON."""
    try:
        value = _decode(text)
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError:
        raise InvalidValueError("The body must be UTF-8.") from None
    except (msgspec.DecodeError, ValueError):
        # The parser's own message quotes nothing, but means little to a caller.
        raise InvalidValueError("The body must be valid JSON.") from None
    containers = text.count(b"{") + text.count(b"[")
    if containers > MAX_NESTING:
        _refuse_deep_nesting(value)
    if not _surely_has_unique_keys(text, value):
        json.loads(text, object_pairs_hook=_refuse_repeated_keys)
    return Document(value, containers)


def _surely_has_unique_keys(text: bytes, value: object) -> bool:
    """Whether no repeated key was dropped by the parser; False means only that a closer look is needed.

    Without backslashes, strings are written back as they were read. Then a colon follows each key or stands
    in a string, and dropping a key, or a string with its value, can only make them fewer.
    """
    return b"\\" not in text and text.count(b":") == _encode(value).count(b":")


def _refuse_repeated_keys(pairs: list[tuple[str, object]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise InvalidValueError("is given twice", name)
        seen.add(name)


def _refuse_deep_nesting(value: object) -> None:
    level = [value]
    for _ in range(MAX_NESTING):
        level = [
            child
            for container in level
            for child in (container.values() if type(container) is dict else container)  # type: ignore[attr-defined]
            if type(child) in _CONTAINERS
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> InvalidValueError:
    return InvalidValueError(f"The body must not be nested deeper than {MAX_NESTING} levels.")
