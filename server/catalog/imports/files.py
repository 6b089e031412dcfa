"""Opening an import file: gzip or plain, JSON Lines or CSV, and how far the reading is."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, cast

_GZIP_MAGIC = b"\x1f\x8b"
_PEEK_BYTES = 4096
_UTF8_BOM = b"\xef\xbb\xbf"


class UnusableFile(Exception):  # noqa: N818 - named for what is so
    """No line of the file can be imported; the text says what to do about it."""


class FileFormat(StrEnum):
    """How the rows are written."""

    JSON_LINES = "jsonl"
    CSV = "csv"


_FORMATS = {
    ".jsonl": FileFormat.JSON_LINES,
    ".ndjson": FileFormat.JSON_LINES,
    ".json": FileFormat.JSON_LINES,
    ".csv": FileFormat.CSV,
}


@dataclass(frozen=True, slots=True)
class ImportFile:
    """An open file: its decompressed bytes behind any byte order mark, and the size on disk."""

    content: IO[bytes]
    format: FileFormat
    size: int
    _raw: IO[bytes]

    def position(self) -> int:
        """Bytes read so far, on disk: what a progress bar compares with `size`."""
        return self._raw.tell()


@contextmanager
def open_import(path: Path, wanted: FileFormat | None = None) -> Iterator[ImportFile]:
    """Open a file of products; compression is told by the content, the format by name and content.

    Raises UnusableFile for a JSON array, OSError where the system refuses.
    """
    with path.open("rb") as raw:
        compressed = raw.read(2) == _GZIP_MAGIC
        raw.seek(0)
        unpacked = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if compressed else raw
        content = io.BufferedReader(cast(io.RawIOBase, unpacked), buffer_size=256 * 1024)
        start = content.peek(_PEEK_BYTES)
        if start.startswith(_UTF8_BOM):
            content.read(len(_UTF8_BOM))
            start = start.removeprefix(_UTF8_BOM)
        found = wanted or _format_of(path, start)
        if found is FileFormat.JSON_LINES and start.lstrip()[:1] == b"[":
            raise UnusableFile("The file is a JSON array; write one object a line instead (jq -c '.[]').")
        yield ImportFile(content, found, os.fstat(raw.fileno()).st_size, raw)


def _format_of(path: Path, start: bytes) -> FileFormat:
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    if suffixes and suffixes[-1] in _FORMATS:
        return _FORMATS[suffixes[-1]]
    return FileFormat.JSON_LINES if start.lstrip()[:1] == b"{" else FileFormat.CSV
