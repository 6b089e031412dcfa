"""Regular expressions of the contract in the dialect of JSON Schema, and some of our own."""

from __future__ import annotations

import re
from collections.abc import Callable

# Control characters, which no path or query may hold.
CONTROL_FREE = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
# One segment of a path: not empty, not "." or "..".
PATH_SEGMENT = (
    "^(?:\\.?[^.\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*"
    "|\\.\\.[^\\u0000-\\u001f\\u007f-\\u009f]+)$"
)

_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\\x00-\\x7f",
    "blank": "\\t ",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-\\/:-@\\[-`{-~",
    "space": "\\t-\\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
# RE2's own spellings, and the brackets that decide what some of them mean. Unicode classes have no spelling
# that every reader of JSON Schema knows.
_TOKENS = re.compile(
    r"\\x\{(?P<code>[0-9A-Fa-f]{1,6})\}|\\(?P<anchor>[Az])|\[:(?P<posix>\w+):\]|(?P<group>\(\?P<\w+>)"
    r"|\\Q(?P<quoted>.*?)(?:\\E|$)|(?P<space>\\[sS])|(?P<foreign>\\[pPCaZE]|\(\?[imsU-]|\[:\^)"
    r"|(?P<escaped>\\.)|(?P<opening>\[\^?\]?)|(?P<closing>\])",
    re.DOTALL,
)
_SPACES = "\\t\\n\\f\\r "


def portable_pattern(pattern: str) -> str | None:
    """The RE2 expression as ECMA-262 spells it; None when it says what ECMA-262 cannot."""
    try:
        spelled = _TOKENS.sub(_Speller().spell, pattern)
        re.compile(spelled)
    except (_Foreign, re.error):
        return None
    return spelled


def matches(pattern: str, text: str) -> bool:
    """Whether a portable pattern is found in the text."""
    return re.search(re.sub(r"\$$", r"\\Z", pattern), text) is not None


def or_empty(pattern: str) -> str:
    """The same pattern, letting the empty text pass too."""
    return f"^$|{pattern}"


class _Foreign(Exception):  # noqa: N818 - named for what it finds
    """A piece of a pattern without a portable spelling."""


class _Speller:
    """Spells one pattern's pieces in their order; what some mean depends on whether brackets are open."""

    def __init__(self) -> None:
        self._in_brackets = False

    def spell(self, match: re.Match[str]) -> str:
        kind = match.lastgroup or ""
        if kind in {"opening", "closing"}:
            return self._bracket(match[0], opens=kind == "opening")
        if kind == "space":
            return self._space(match[0])
        return _SPELLINGS[kind](match[kind])

    def _bracket(self, text: str, *, opens: bool) -> str:
        if opens and self._in_brackets:
            # A bracket among the characters; what follows it in the match is not part of it.
            closes = text.endswith("]")
            self._in_brackets = not closes
            return f"\\{text}"
        self._in_brackets = opens
        return text.replace("]", "\\]") if opens else text

    def _space(self, text: str) -> str:
        """RE2 knows five spaces, ECMA-262 all of Unicode's."""
        if self._in_brackets:
            if text == "\\S":
                raise _Foreign
            return _SPACES
        return f"[{_SPACES}]" if text == "\\s" else f"[^{_SPACES}]"


def _of_code(digits: str) -> str:
    code = int(digits, 16)
    return f"\\u{code:04x}" if code <= 0xFFFF else chr(code)


def _of_class(name: str) -> str:
    if name not in _POSIX:
        raise _Foreign
    return _POSIX[name]


def _of_quoted(text: str) -> str:
    return re.sub(r"[^\w\s]", lambda special: f"\\{special[0]}", text)


def _refuse(_: str) -> str:
    raise _Foreign


_SPELLINGS: dict[str, Callable[[str], str]] = {
    "code": _of_code,
    "anchor": lambda letter: "^" if letter == "A" else "$",
    "posix": _of_class,
    "group": lambda _: "(?:",
    "quoted": _of_quoted,
    "escaped": lambda text: text,
    "foreign": _refuse,
}
