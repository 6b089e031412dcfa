"""What a proof found, and how people read it: a table of differences and a last line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

_COLUMNS = ("where", "bucket (UTC)", "key", "what", "expected", "found", "by")


@dataclass(frozen=True, slots=True)
class Difference:
    """A count that is not what follows from the raw rows, or from the shorter spans.

    `place`: a table, or ``live events``, ``live clicks``. `key`: the dimension's value, empty without one.
    """

    place: str
    bucket: datetime
    key: str
    what: str
    expected: int
    found: int

    @property
    def is_live(self) -> bool:
        """Whether it is Redis that differs, which is restated, and not PostgreSQL."""
        return self.place.startswith("live ")

    def __str__(self) -> str:
        key = f" {self.key!r}" if self.key else ""
        by = self.found - self.expected
        return (
            f"{self.place} {self.bucket:%Y-%m-%d %H:%M} UTC{key}: {self.what} {self.found}, "
            f"expected {self.expected} ({by:+})"
        )


@dataclass(slots=True)
class Proof:
    """What was compared. `counts`: how many counters and sketches; `notes`: what was left out, and why."""

    days: int = 0
    rows: int = 0
    counts: int = 0
    live_hours: int = 0
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def table(differences: Sequence[Difference]) -> Iterator[str]:
    """A heading and a line for each difference; nothing when there is none."""
    if not differences:
        return
    rows = [_COLUMNS, *map(_row, differences)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        named = (cell.ljust(width) for cell, width in zip(row[:4], widths[:4], strict=True))
        counted = (cell.rjust(width) for cell, width in zip(row[4:], widths[4:], strict=True))
        yield "  ".join([*named, *counted]).rstrip()


def verdict(proof: Proof) -> str:
    """One line that says whether all agrees."""
    compared = (
        f"{proof.counts:,} counts against {proof.rows:,} raw rows of {proof.days:,} days, "
        f"and {proof.live_hours} hours of live counters"
    )
    if proof.differences:
        return f"{len(proof.differences):,} differences; compared were {compared}"
    return f"OK: {compared} agree"


def _row(difference: Difference) -> tuple[str, ...]:
    return (
        difference.place,
        f"{difference.bucket:%Y-%m-%d %H:%M}",
        "".join(letter if letter.isprintable() else "?" for letter in difference.key),
        difference.what,
        f"{difference.expected:,}",
        f"{difference.found:,}",
        f"{difference.found - difference.expected:+,}",
    )
