"""The rows of an import file with their line numbers, JSON Lines or CSV; a broken line costs only itself."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from server.catalog.imports.files import FileFormat, ImportFile, UnusableFile
from server.catalog.imports.rows import OPTIONAL, REQUIRED, Problem, Row

# One line in memory at a time, whatever is in the file.
_LINE_MAX_BYTES = 2 * 1024 * 1024
_LIST_SEPARATOR = "|"
_LIST_COLUMNS = frozenset({"categories", "tags", "ean"})
_NUMBER_COLUMNS = frozenset({"price", "stock"})
_ATTRIBUTE_PREFIX = "attributes."
# int() accepts spaces, underscores and other scripts' digits; a price does not.
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,30}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Line:
    """A line that was read: its number from 1, and its row, or else what is wrong with it."""

    number: int
    row: Row = field(default_factory=dict)
    problems: Sequence[Problem] = ()


def read_lines(file: ImportFile) -> Iterator[Line]:
    """Every line but blank ones. Raises UnusableFile when a CSV's header is no header of ours."""
    return _json_lines(file.content) if file.format is FileFormat.JSON_LINES else _csv_lines(file.content)


def _json_lines(content: IO[bytes]) -> Iterator[Line]:
    number = 0
    while raw := content.readline(_LINE_MAX_BYTES + 1):
        number += 1
        if len(raw) > _LINE_MAX_BYTES:
            _skip_rest_of_line(content, raw)
            yield Line(number, problems=[("", f"is longer than {_LINE_MAX_BYTES:,} bytes")])
        elif not raw.isspace():
            yield _json_line(number, raw)


def _skip_rest_of_line(content: IO[bytes], raw: bytes) -> None:
    while raw and not raw.endswith(b"\n"):
        raw = content.readline(_LINE_MAX_BYTES)


def _json_line(number: int, raw: bytes) -> Line:
    try:
        row = json.loads(raw.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        return Line(number, problems=[("", "is not valid UTF-8")])
    except json.JSONDecodeError as error:
        return Line(number, problems=[("", f"is not valid JSON: {error.msg} at column {error.colno}")])
    except RecursionError:
        return Line(number, problems=[("", "is nested too deeply")])
    except ValueError:
        return Line(number, problems=[("", "holds a number that is too long, or NaN or Infinity")])
    if not isinstance(row, dict):
        return Line(number, problems=[("", "must be a JSON object")])
    return Line(number, row)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


class _PhysicalLines:
    """The lines of a CSV file, counted. One that is too long is a csv.Error, and the next one follows."""

    def __init__(self, text: IO[str]) -> None:
        self._text = text
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(_LINE_MAX_BYTES)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) < _LINE_MAX_BYTES:
            return line
        while line and not line.endswith(("\n", "\r")):
            line = self._text.readline(_LINE_MAX_BYTES)
        raise csv.Error("the line is too long")


def _csv_lines(content: IO[bytes]) -> Iterator[Line]:
    # Bytes that are no UTF-8 become lone surrogates, which the row's reader then reports by field.
    text = io.TextIOWrapper(content, encoding="utf-8", errors="surrogateescape", newline="")
    try:
        yield from _csv_rows(_PhysicalLines(text))
    finally:
        # The wrapper would close the file when it is collected, and the file is not ours to close.
        text.detach()


def _csv_rows(physical: _PhysicalLines) -> Iterator[Line]:
    header = next(physical, "")
    columns = _columns(header)
    reader = csv.reader(physical, delimiter=_delimiter(header), strict=True)
    while True:
        number = physical.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Line(number, problems=[("", f"is not valid CSV: {error}{_span(number, physical.number)}")])
        else:
            if cells:
                yield _csv_line(number, columns, cells)


def _span(first: int, last: int) -> str:
    return f" (lines {first} to {last})" if last > first else ""


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def _columns(header: str) -> list[str]:
    cells = next(csv.reader([header], delimiter=_delimiter(header)), [])
    columns = [
        cell.strip() if cell.strip().startswith(_ATTRIBUTE_PREFIX) else cell.strip().lower() for cell in cells
    ]
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise UnusableFile(f"The first line must name the columns; missing: {', '.join(missing)}.")
    unknown = [
        name for name in columns if name not in REQUIRED + OPTIONAL and not name.startswith(_ATTRIBUTE_PREFIX)
    ]
    if unknown:
        raise UnusableFile(f"Columns that no product has: {', '.join(unknown)}.")
    if len(set(columns)) < len(columns):
        raise UnusableFile("A column stands twice in the first line.")
    return columns


def _csv_line(number: int, columns: Sequence[str], cells: Sequence[str]) -> Line:
    if len(cells) != len(columns):
        return Line(number, problems=[("", f"has {len(cells)} cells where the header has {len(columns)}")])
    row: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    for column, cell in zip(columns, cells, strict=True):
        if cell == "":
            continue
        if column.startswith(_ATTRIBUTE_PREFIX):
            attributes[column.removeprefix(_ATTRIBUTE_PREFIX)] = cell
        else:
            row[column] = _cell_value(column, cell)
    if attributes:
        given = row.get("attributes", {})
        row["attributes"] = {**given, **attributes} if isinstance(given, dict) else given
    return Line(number, row)


def _cell_value(column: str, cell: str) -> object:
    """The value that a JSON row would have; what cannot be read stays text, and is refused as such."""
    if column in _NUMBER_COLUMNS and _WHOLE_NUMBER.fullmatch(cell):
        return int(cell)
    if column in _LIST_COLUMNS:
        return [part.strip() for part in cell.split(_LIST_SEPARATOR) if part.strip()]
    if column == "attributes":
        try:
            return json.loads(cell, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            return cell
    return cell
