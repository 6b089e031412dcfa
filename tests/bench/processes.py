"""CPU time of processes from the kernel's own accounting."""

import os
from collections.abc import Iterable
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time that the processes have used so far."""
    return sum(cpu_ticks(pid) for pid in pids) / TICKS_PER_SECOND


def cpu_ticks(pid: int) -> int:
    # The command name may hold spaces and brackets; the fields after the last bracket are numbers.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
