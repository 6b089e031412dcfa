"""Reads a Dockerfile of the plain kind, and what `.dockerignore` leaves of a build's context.

Only what ours is written with is understood; anything else is refused, so that no step is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

WORDS = frozenset(
    {"FROM", "ARG", "ENV", "WORKDIR", "COPY", "RUN", "LABEL", "USER", "EXPOSE"}
    | {"STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
)


class UnreadableImageFile(ValueError):  # noqa: N818 - it names what is so
    """The file has something that this reader does not know; the text says where."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its word in capitals, its `--flags`, what follows them, its first line."""

    word: str
    flags: tuple[str, ...]
    rest: str
    line: int

    def flag(self, name: str) -> str | None:
        """The value of the flag `--name=…`, if it is there."""
        begin = f"--{name}="
        return next((flag.removeprefix(begin) for flag in self.flags if flag.startswith(begin)), None)


def read_instructions(text: str) -> list[Instruction]:
    """The instructions in order. Raises UnreadableImageFile."""
    return [_instruction(line, whole) for line, whole in _logical_lines(text)]


def context_files(context: Path) -> Iterator[Path]:
    """The files that a build is sent, relative to `context`, in order."""
    patterns = read_ignore_patterns((context / ".dockerignore").read_text(encoding="utf-8"))
    yield from _files_below(context, Path(), patterns)


def read_ignore_patterns(text: str) -> list[tuple[bool, re.Pattern[str]]]:
    """Patterns as (whether it leaves out, expression over a relative path), the last that matches decides."""
    lines = [line.strip() for line in text.splitlines()]
    return [_pattern(line) for line in lines if line and not line.startswith("#")]


def is_left_out(path: Path, patterns: Sequence[tuple[bool, re.Pattern[str]]]) -> bool:
    """Whether the build does not see `path`: a pattern speaks of what it matches and of all below that."""
    own_and_parents = [path.as_posix(), *(parent.as_posix() for parent in path.parents)]
    verdicts = [
        leaves_out for leaves_out, pattern in patterns if any(map(pattern.fullmatch, own_and_parents))
    ]
    return bool(verdicts) and verdicts[-1]


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their continuations joined, without comments; each with the number of its first line."""
    parts: list[str] = []
    first = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        first = first if parts else number
        parts.append(line.strip().removesuffix("\\").strip())
        if not line.rstrip().endswith("\\"):
            yield first, " ".join(parts)
            parts = []
    if parts:
        raise UnreadableImageFile(f"line {first}: the last line promises another")


def _instruction(line: int, whole: str) -> Instruction:
    word, _, rest = whole.partition(" ")
    if word not in WORDS:
        raise UnreadableImageFile(f"line {line}: {word} is not among {', '.join(sorted(WORDS))}")
    if "<<" in rest:
        raise UnreadableImageFile(f"line {line}: here-documents are not read")
    flags: list[str] = []
    while rest.startswith("--"):
        flag, _, rest = rest.partition(" ")
        flags.append(flag)
    return Instruction(word, tuple(flags), rest.strip(), line)


def _pattern(line: str) -> tuple[bool, re.Pattern[str]]:
    expression = re.escape(line.removeprefix("!").strip("/"))
    for written, meant in ((r"\*\*/", "(?:.*/)?"), (r"\*", "[^/]*"), (r"\[", "["), (r"\]", "]")):
        expression = expression.replace(written, meant)
    return not line.startswith("!"), re.compile(expression)


def _files_below(
    context: Path, folder: Path, patterns: Sequence[tuple[bool, re.Pattern[str]]]
) -> Iterator[Path]:
    for entry in sorted((context / folder).iterdir()):
        path = folder / entry.name
        if entry.is_dir() and not entry.is_symlink():
            # No pattern of ours lets in part of a folder that another leaves out.
            if not is_left_out(path, patterns):
                yield from _files_below(context, path, patterns)
        elif not is_left_out(path, patterns):
            yield path
