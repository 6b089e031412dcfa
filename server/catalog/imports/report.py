"""What an import did: counts, and each problem with its line. Bounded in memory whatever the file holds."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import IO, Any

_KEPT = 1000


@dataclass(frozen=True, slots=True, order=True)
class LineProblem:
    """One thing wrong with one line; an empty `field` means the line as a whole."""

    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return (
            f"line {self.line}: {self.field}: {self.message}"
            if self.field
            else (f"line {self.line}: {self.message}")
        )


@dataclass(slots=True)
class ImportReport:
    """Counts lines by what became of them, and keeps the first thousand problems; `left_out` counts the rest.

    `everything`, when given, is a text file that gets every problem as CSV: line, field, message.
    """

    everything: IO[str] | None = None
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: int = 0
    problems: list[LineProblem] = field(default_factory=list)
    left_out: int = 0
    _writer: Any = None

    def __post_init__(self) -> None:
        if self.everything is not None:
            self._writer = csv.writer(self.everything)
            self._writer.writerow(("line", "field", "message"))

    def add_failed_line(self, line: int, problems: Iterable[tuple[str, str]]) -> None:
        """Count the line as failed and keep its problems, pairs of field and message."""
        self.failed += 1
        for name, message in problems:
            problem = LineProblem(line, _printable(name), _printable(message))
            if self._writer is not None:
                self._writer.writerow((problem.line, problem.field, problem.message))
            if len(self.problems) < _KEPT:
                self.problems.append(problem)
            else:
                self.left_out += 1


def _printable(text: str) -> str:
    """Names come from the file and reports go to terminals: control characters become escapes."""
    if text.isprintable():
        return text[:200]
    return text[:200].encode("unicode_escape", "surrogatepass").decode("ascii")
