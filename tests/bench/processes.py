"""CPU time of processes from the kernel's own accounting."""

import os
from collections.abc import Iterable
from pathlib import Path

from tests.stack import descendants, proc_file

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time that the processes have used so far."""
    return sum(cpu_ticks(pid) for pid in pids) / TICKS_PER_SECOND


def cpu_seconds_of_tree(pid: int) -> float:
    """The same of a process and all below it, those included that have ended and were waited for."""
    ticks = 0
    for member in (pid, *descendants(pid)):
        # One that ends while we look is counted by its parent, the next time at the latest.
        fields = proc_file(member, "stat").decode().rpartition(")")[2].split()
        ticks += sum(int(value) for value in fields[11:15])
    return ticks / TICKS_PER_SECOND


def cpu_ticks(pid: int) -> int:
    # The command name may hold spaces and brackets; the fields after the last bracket are numbers.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
