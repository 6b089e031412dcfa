"""What lies in a spool's folder: segments without an owner, and what was put aside.

Several edges share a folder; each may look at any time.
"""

import os
import time
from collections.abc import Container
from pathlib import Path
from typing import NamedTuple

import structlog

from edge.spool.records import HEADER_BYTES, UnknownFormat
from edge.spool.segments import (
    REFUSED_SUFFIX,
    TORN_SUFFIX,
    UNFINISHED_SUFFIX,
    Segment,
    is_segment,
    make_folder,
    remove_unfinished,
)

log = structlog.get_logger()

# Beginning a segment takes milliseconds; what is older was left by a process that ended.
_UNFINISHED_SECONDS = 60.0


class Found(NamedTuple):
    """Segments adopted, oldest first, and the bytes of what was put aside by anybody."""

    adopted: list[Segment]
    aside_bytes: int


class SpoolFolder:
    """One edge's view of the folder; remembers what it has complained about."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._complained: set[str] = set()

    def look(self, *, owned: Container[str], room: int, owns_nothing: bool) -> Found:
        """Adopt what has no owner, oldest first, while it fits into `room` bytes. Raises OSError.

        Who owns nothing adopts one segment however large: otherwise nobody might ever replay it.
        """
        make_folder(self.path)
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise PermissionError(f"{self.path} is not writable")
        with os.scandir(self.path) as listing:
            entries = sorted((entry for entry in listing if entry.is_file(follow_symlinks=False)), key=_name)
        adopted: list[Segment] = []
        for entry in entries:
            if not is_segment(entry.name) or entry.name in owned:
                continue
            if _size(entry) - HEADER_BYTES > room and not (owns_nothing and not adopted):
                break
            segment = self._adopt(entry.name)
            if segment is not None:
                adopted.append(segment)
                room -= segment.size - HEADER_BYTES
        for entry in entries:
            if entry.name.endswith(UNFINISHED_SUFFIX) and _age_seconds(entry) > _UNFINISHED_SECONDS:
                remove_unfinished(self.path / entry.name)
        aside = [entry for entry in entries if entry.name.endswith((TORN_SUFFIX, REFUSED_SUFFIX))]
        return Found(adopted, sum(map(_size, aside)))

    def _adopt(self, name: str) -> Segment | None:
        try:
            segment = Segment.adopt(self.path / name)
        except UnknownFormat as error:
            self._complain(name, "spool_format_unknown", version=error.version)
        except OSError as error:
            self._complain(name, "spool_segment_unreadable", error=str(error))
        else:
            if segment is not None:
                log.info("spool_adopted", segment=name, records=segment.records, bytes=segment.size)
            return segment
        return None

    def _complain(self, name: str, event: str, **facts: object) -> None:
        """Say it once: the file is met again at every look."""
        if name not in self._complained:
            self._complained.add(name)
            log.warning(event, segment=name, **facts)


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0


def _age_seconds(entry: os.DirEntry[str]) -> float:
    try:
        return time.time() - entry.stat(follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return 0.0
