"""The edge's own memory of links, and of codes that are no links. Holds bytes, decodes nothing."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from itertools import islice
from typing import Final

# Links that share one bytes object. More save memory and lengthen the search within it.
_LINKS_PER_PAGE: Final = 16

# An entry in a page: hash and size of the code, the code; size of the whole entry, stamp; the snapshot.
_NAME: Final = struct.Struct(">qH")
_HEAD: Final = struct.Struct(">II")

# Age is kept as hundredths of a second in four bytes, which wrap after 497 days.
_TICKS_PER_SECOND: Final = 100
_WRAP: Final = (1 << 32) - 1

# Misses evicted together when their cache is full. One at a time would be quadratic: a dict finds its oldest
# key by walking over the holes that earlier evictions left.
_EVICTED_TOGETHER: Final = 256


class LinkCache:
    """Packed link snapshots by code, fresh for ``ttl`` seconds, kept longer for when nobody else answers.

    Holds at most ``max_entries``. Links are spread by hash over pages of about sixteen, and a page is one
    bytes object: against a dict that halves the memory, leaves the garbage collector nothing to walk, and
    never stops the loop to grow a table. When the cache is full, a new link replaces the oldest in its page.
    """

    def __init__(self, max_entries: int, ttl: float = 5.0, now: Callable[[], float] = time.monotonic) -> None:
        if max_entries < 1:
            raise ValueError("a cache holds at least one entry")
        self._max_entries = max_entries
        self._ttl_ticks = int(ttl * _TICKS_PER_SECOND)
        self._now = now
        self._pages = [b""] * -(-max_entries // _LINKS_PER_PAGE)
        self._entries = 0

    def __len__(self) -> int:
        return self._entries

    def get(self, code: str) -> bytes | None:
        """The packed snapshot if it came less than ``ttl`` ago."""
        return self._read(code, self._ttl_ticks)

    def get_stale(self, code: str) -> bytes | None:
        """The packed snapshot of whatever age; only for when neither Redis nor the server can be asked."""
        return self._read(code, _WRAP + 1)

    def put(self, code: str, packed: bytes) -> None:
        """Remembers a snapshot that was learnt just now."""
        self.discard(code)
        number = hash(code) % len(self._pages)
        if self._entries >= self._max_entries:
            self._evict_near(number)
        name = _name(code)
        head = _HEAD.pack(len(name) + _HEAD.size + len(packed), self._ticks())
        self._pages[number] += name + head + packed
        self._entries += 1

    def discard(self, code: str) -> None:
        """Forgets a link, fresh or stale: it is known to be gone."""
        number = hash(code) % len(self._pages)
        start = self._pages[number].find(_name(code))
        if start >= 0:
            self._cut(number, start)

    def _read(self, code: str, younger_than: int) -> bytes | None:
        page = self._pages[hash(code) % len(self._pages)]
        name = _name(code)
        start = page.find(name)
        if start < 0:
            return None
        head = start + len(name)
        size, stamp = _HEAD.unpack_from(page, head)
        if (self._ticks() - stamp) & _WRAP >= younger_than:
            return None
        return page[head + _HEAD.size : start + size]

    def _evict_near(self, number: int) -> None:
        """Cuts the oldest link of this page, or of the next that has one."""
        while not self._pages[number]:
            number = (number + 1) % len(self._pages)
        self._cut(number, 0)

    def _cut(self, number: int, start: int) -> None:
        page = self._pages[number]
        _, code_size = _NAME.unpack_from(page, start)
        size, _ = _HEAD.unpack_from(page, start + _NAME.size + code_size)
        self._pages[number] = page[:start] + page[start + size :]
        self._entries -= 1

    def _ticks(self) -> int:
        return int(self._now() * _TICKS_PER_SECOND) & _WRAP


def _name(code: str) -> bytes:
    """What an entry begins with and is found by.

    Python keys the hash anew in each process, so nobody can write these bytes into a destination beforehand.
    """
    encoded = code.encode(errors="surrogatepass")  # whatever was asked for, nothing raises
    return _NAME.pack(hash(code), len(encoded)) + encoded


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
            self._evict_oldest()
        self._missed_at[code] = self._now()

    def discard(self, code: str) -> None:
        """Forgets a miss: the code is a link by now."""
        self._missed_at.pop(code, None)

    def _evict_oldest(self) -> None:
        evicted = min(_EVICTED_TOGETHER, max(1, len(self._missed_at) // 16))
        for code in list(islice(self._missed_at, evicted)):
            del self._missed_at[code]
