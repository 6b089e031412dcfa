"""What a benchmark reports: a figure beside its reference and its budget, measured in the same run."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One figure. `met` is None where the figure has no budget and is there for reading only."""

    name: str
    value: float
    unit: str
    reference: str = ""
    budget: str = ""
    met: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def at_most(name: str, value: float, limit: float, unit: str, reference: str = "") -> Row:
    return Row(name, round(value, 2), unit, reference, f"<= {limit:g}", value <= limit)


def at_least(name: str, value: float, limit: float, unit: str, reference: str = "") -> Row:
    return Row(name, round(value, 2), unit, reference, f">= {limit:g}", value >= limit)


def table(rows: list[Row]) -> str:
    """The rows as aligned text."""
    heads = ("figure", "value", "unit", "budget", "met", "reference")
    verdicts = {True: "yes", False: "NO", None: ""}
    cells = [
        (row.name, f"{row.value:g}", row.unit, row.budget, verdicts[row.met], row.reference) for row in rows
    ]
    widths = [max(len(line[column]) for line in [heads, *cells]) for column in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [heads, *cells]
    )
