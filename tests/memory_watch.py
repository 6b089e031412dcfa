"""Watches how much memory a process and its descendants take at most, by the kernel's own high-water mark."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.stack import descendants, proc_file

_HIGH_WATER = re.compile(rb"^VmHWM:\s+(\d+) kB$", re.MULTILINE)
_EVERY_SECONDS = 0.01


@dataclass
class MemoryWatch:
    """The highest resident size seen of each process, in MiB. One that ends between two looks is missed."""

    root: int
    peaks: dict[int, float] = field(default_factory=dict)

    @property
    def of_root(self) -> float:
        return self.peaks[self.root]

    @property
    def of_descendants(self) -> float:
        return max((peak for pid, peak in self.peaks.items() if pid != self.root), default=0.0)

    def look(self) -> None:
        for pid in (self.root, *descendants(self.root)):
            if found := _HIGH_WATER.search(proc_file(pid, "status")):
                self.peaks[pid] = max(self.peaks.get(pid, 0.0), int(found[1]) / 1024)


@asynccontextmanager
async def watched_memory(root: int) -> AsyncIterator[MemoryWatch]:
    """Looks again and again until the block ends."""
    watch = MemoryWatch(root)

    async def look_on() -> None:
        while True:
            watch.look()
            await asyncio.sleep(_EVERY_SECONDS)

    looking = asyncio.create_task(look_on())
    try:
        yield watch
    finally:
        looking.cancel()
