"""The path template grammar of `google.api.http`, parsed once at start. Matching lives in `matcher`.

Template = "/" Segments [ ":" Verb ]       Segments = Segment { "/" Segment }
Segment  = "*" | "**" | Literal | Variable  Variable = "{" FieldPath [ "=" Segments ] "}"
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote

_LITERAL = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()+,;=@:]|%[0-9A-Fa-f]{2})+", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_FIELD_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)


class TemplateError(ValueError):
    """A template outside the grammar; the message says where it goes wrong."""


class Wildcard(Enum):
    """`ONE` stands for exactly one non-empty segment, `REST` for any number of segments up to the end."""

    ONE = "*"
    REST = "**"


Piece = str | Wildcard


@dataclass(frozen=True, slots=True)
class Variable:
    """Binds the segments from `start` up to `stop` (None: to the path's end) to a field."""

    field_path: tuple[str, ...]
    start: int
    stop: int | None
    spans_segments: bool


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template: literals are decoded, variables are flattened out of `pieces`."""

    pieces: tuple[Piece, ...]
    variables: tuple[Variable, ...]
    verb: str | None


def parse_template(text: str) -> Template:
    """Parse one template. Raises `TemplateError`."""
    if not text.startswith("/"):
        raise TemplateError("it must begin with '/'")
    parts, verb = _split_verb(_split_segments(text[1:]))
    pieces: list[Piece] = []
    variables: list[Variable] = []
    for part in parts:
        if part.startswith("{"):
            variables.append(_variable(part, pieces))
        else:
            pieces.append(_piece(part))
    if Wildcard.REST in pieces[:-1]:
        raise TemplateError("'**' must be the last segment")
    _refuse_repeated(variables)
    return Template(tuple(pieces), tuple(variables), verb)


def _split_segments(text: str) -> list[str]:
    """Split at slashes outside braces."""
    parts, inside, start = [], False, 0
    for position, character in enumerate(text):
        if character == "{":
            if inside:
                raise TemplateError("a variable must not contain a variable")
            inside = True
        elif character == "}":
            if not inside:
                raise TemplateError("'}' closes nothing")
            inside = False
        elif character == "/" and not inside:
            parts.append(text[start:position])
            start = position + 1
    if inside:
        raise TemplateError("'{' is never closed")
    return [*parts, text[start:]]


def _split_verb(parts: list[str]) -> tuple[list[str], str | None]:
    """Take the verb off the last segment; a colon inside its braces does not start one."""
    last = parts[-1]
    colon = last.rfind(":", last.rfind("}") + 1)
    if colon < 0:
        return parts, None
    verb = last[colon + 1 :]
    if not _LITERAL.fullmatch(verb):
        raise TemplateError("the verb after ':' must be a literal")
    return [*parts[:-1], last[:colon]], _decoded(verb)


def _variable(part: str, pieces: list[Piece]) -> Variable:
    """Parse `{path=pattern}` and append its pattern to the template's pieces."""
    if not part.endswith("}"):
        raise TemplateError(f"a variable must fill its segment: {part!r}")
    path, has_pattern, pattern = part[1:-1].partition("=")
    if not _FIELD_PATH.fullmatch(path):
        raise TemplateError(f"{path!r} is no field path")
    inner = [_piece(text) for text in pattern.split("/")] if has_pattern else [Wildcard.ONE]
    start = len(pieces)
    pieces.extend(inner)
    takes_rest = inner[-1] is Wildcard.REST
    stop = None if takes_rest else start + len(inner)
    return Variable(tuple(path.split(".")), start, stop, takes_rest or len(inner) > 1)


def _piece(text: str) -> Piece:
    if text in {"*", "**"}:
        return Wildcard(text)
    if not _LITERAL.fullmatch(text):
        raise TemplateError(f"{text!r} is no segment" if text else "a segment is empty")
    literal = _decoded(text)
    if not {".", ".."}.isdisjoint(literal.split("/")):
        raise TemplateError("a dot segment can never match")
    return literal


def _decoded(literal: str) -> str:
    """As paths are decoded before they are matched."""
    try:
        text = unquote(literal, errors="strict")
    except UnicodeDecodeError:
        raise TemplateError(f"{literal!r} is not UTF-8") from None
    if _CONTROL.search(text):
        raise TemplateError(f"{literal!r} can never match: it has a control character")
    return text


def _refuse_repeated(variables: list[Variable]) -> None:
    paths = [variable.field_path for variable in variables]
    for path in paths:
        if paths.count(path) > 1:
            raise TemplateError(f"{'.'.join(path)!r} is bound twice")
