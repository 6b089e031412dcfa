"""Workers and schedulers of a stack in which nothing happens cost next to nothing."""

import asyncio
import os
import time
from pathlib import Path

from tests.stack import Stack, descendants

KINDS = ("worker", "scheduler")
WATCHED_SECONDS = 6.0
# What is meant is one percent. Other tests share this machine, and cold caches make the same work dearer.
MOST_PERCENT_OF_A_CORE = 2.0
_UTIME, _STIME, _CHILDREN_UTIME, _CHILDREN_STIME = (
    11,
    12,
    13,
    14,
)  # behind the name, as proc(5) counts from 14


async def test_idle_workers_and_schedulers_use_no_core(stack: Stack) -> None:
    """Together under two percent of a core over ten seconds, with every process that they started."""
    pids = [stack.pid_of(name) for name in stack.endpoints["metrics"] if name.split("-")[0] in KINDS]
    assert len(pids) == len(KINDS)
    before, began_at = cpu_seconds(pids), time.monotonic()
    await asyncio.sleep(WATCHED_SECONDS)
    used, passed = cpu_seconds(pids) - before, time.monotonic() - began_at
    print(f"\nidle workers and schedulers: {used / passed:.2%} of a core over {passed:.0f} s")
    assert 100 * used / passed < MOST_PERCENT_OF_A_CORE


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of these processes and of those below them, the ended ones among them too."""
    every = {*pids, *(child for pid in pids for child in descendants(pid))}
    return sum(map(_ticks, every)) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(numbers[place]) for place in (_UTIME, _STIME, _CHILDREN_UTIME, _CHILDREN_STIME))
