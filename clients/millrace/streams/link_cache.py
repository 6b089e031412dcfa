"""The edge's own memory of links, and of codes that are no links. Holds bytes, decodes nothing."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from itertools import islice
from typing import Any, Final

# Entries evicted together when a cache is full. One at a time would be quadratic: a dict finds its oldest
# key by walking over the holes that earlier evictions left.
_EVICTED_TOGETHER: Final = 256

# Age is kept as hundredths of a second in four bytes, which wrap after 497 days.
_TICKS_PER_SECOND: Final = 100
_WRAP: Final = (1 << 32) - 1
_STAMP: Final = struct.Struct(">I")


class LinkCache:
    """Packed link snapshots by code, fresh for ``ttl`` seconds, kept longer for when nobody else answers.

    Holds at most ``max_entries``; the entries that came first leave first. Each entry is one bytes object, so
    the garbage collector has nothing to walk however many there are.
    """

    def __init__(self, max_entries: int, ttl: float = 5.0, now: Callable[[], float] = time.monotonic) -> None:
        if max_entries < 1:
            raise ValueError("a cache holds at least one entry")
        self._max_entries = max_entries
        self._ttl_ticks = int(ttl * _TICKS_PER_SECOND)
        self._now = now
        self._entries: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, code: str) -> bytes | None:
        """The packed snapshot if it came less than ``ttl`` ago."""
        entry = self._entries.get(code)
        if entry is None or self._age_ticks(entry) >= self._ttl_ticks:
            return None
        return entry[_STAMP.size :]

    def get_stale(self, code: str) -> bytes | None:
        """The packed snapshot of whatever age; only for when neither Redis nor the server can be asked."""
        entry = self._entries.get(code)
        return None if entry is None else entry[_STAMP.size :]

    def put(self, code: str, packed: bytes) -> None:
        """Remembers a snapshot that was learnt just now."""
        if len(self._entries) >= self._max_entries and code not in self._entries:
            _evict_oldest(self._entries)
        self._entries[code] = _STAMP.pack(self._ticks()) + packed

    def discard(self, code: str) -> None:
        """Forgets a link, fresh or stale: it is known to be gone."""
        self._entries.pop(code, None)

    def _ticks(self) -> int:
        return int(self._now() * _TICKS_PER_SECOND) & _WRAP

    def _age_ticks(self, entry: bytes) -> int:
        return (self._ticks() - int.from_bytes(entry[: _STAMP.size], "big")) & _WRAP


class MissCache:
    """Codes that were no links within the last ``ttl`` seconds.

    Apart from the links and small, so that somebody guessing codes evicts other guesses and never a link.
    """

    def __init__(
        self, max_entries: int = 10_000, ttl: float = 5.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        if max_entries < 1:
            raise ValueError("a cache holds at least one entry")
        self._max_entries = max_entries
        self._ttl = ttl
        self._now = now
        self._missed_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._missed_at)

    def __contains__(self, code: str) -> bool:
        missed_at = self._missed_at.get(code)
        return missed_at is not None and self._now() - missed_at < self._ttl

    def add(self, code: str) -> None:
        """Remembers that a code was no link just now."""
        if len(self._missed_at) >= self._max_entries and code not in self._missed_at:
            _evict_oldest(self._missed_at)
        self._missed_at[code] = self._now()

    def discard(self, code: str) -> None:
        """Forgets a miss: the code is a link by now."""
        self._missed_at.pop(code, None)


def _evict_oldest(entries: dict[str, Any]) -> None:
    for code in list(islice(entries, min(_EVICTED_TOGETHER, max(1, len(entries) // 16)))):
        del entries[code]
