"""JSON text to Python values, strictly: one key once, at most 100 levels, UTF-8, no NaN, no lone surrogates.

msgspec is the judge of the grammar, because it is strict and fast; it does not see repeated keys, so those
are looked for here.
"""

from __future__ import annotations

import json

import msgspec

from edge.rest.violations import InvalidValueError

MAX_NESTING = 100

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_CONTAINERS = (dict, list)
_BACKSLASH = ord("\\")


def parse_json(text: bytes, *, of_any_depth: bool = False) -> object:
    """Parse one JSON text. Raises `InvalidValueError` for anything but strict JSON.

    `of_any_depth` is for those who will refuse what is nested deep whatever it holds: looking for it costs.
    """
    try:
        value = _decode(text)
        if not of_any_depth and count_containers(text) > MAX_NESTING:
            _refuse_deep_nesting(value)
        if not _surely_has_unique_keys(text, _encode(value)):
            json.loads(text, object_pairs_hook=_refuse_repeated_keys)
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError:
        raise InvalidValueError("The body must be UTF-8.") from None
    except (msgspec.DecodeError, ValueError):
        # The parser's own message quotes nothing, but means little to a caller.
        raise InvalidValueError("The body must be valid JSON.") from None
    return value


def count_containers(text: bytes) -> int:
    """The most objects and arrays that the JSON text can have."""
    return text.count(b"{") + text.count(b"[")


def _surely_has_unique_keys(text: bytes, written_back: bytes) -> bool:
    """Whether no repeated key was dropped by the parser; False means only that a closer look is needed.

    Compact text, as browsers send it, is written back as it was. In other text without backslashes, strings
    are written back as they were read, and a colon follows each key or stands in a string: dropping a key, or
    a string with its value, can only make them fewer.
    """
    if text == written_back:
        return True
    return _BACKSLASH not in text and text.count(b":") == written_back.count(b":")


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
