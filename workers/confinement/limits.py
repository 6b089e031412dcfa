"""What a process takes upon itself so that it cannot do much: limits of the kernel, for ever."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Final

from workers.confinement import syscalls

# Plug-ins of a library, a source of chance; not more.
_MOST_OPEN_FILES: Final = 32
# From <linux/prctl.h>.
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38

_LINUX: Final = sys.platform == "linux"
_prctl: Final = ctypes.CDLL(None, use_errno=True).prctl if _LINUX else None
if _prctl is not None:
    _prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]


def die_with(parent: int) -> None:
    """Be killed when the parent dies, where the kernel can do that; end now if it is dead already."""
    if _prctl is None:
        return
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    # Should memory run out in the machine, this process goes first.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def keep_to(memory_bytes: int, cpu_seconds: int) -> None:
    """No more address space than now and `memory_bytes`, no more computing, and no writing.

    Where the system knows a limit at all: macOS takes no notice of address space. Not kept from it: reading
    the files that the worker's user may read. See `syscalls` for what Linux refuses besides.
    """
    memory = _address_space() + memory_bytes
    for kind, soft, hard in (
        ("RLIMIT_CORE", 0, 0),
        # Not that of files that are open already, pipes and sockets.
        ("RLIMIT_FSIZE", 0, 0),
        ("RLIMIT_NOFILE", _MOST_OPEN_FILES, _MOST_OPEN_FILES),
        # The first gives the signal that tells why, the second kills whoever ignores it.
        ("RLIMIT_CPU", cpu_seconds, cpu_seconds + 1),
        ("RLIMIT_AS", memory, memory),
    ):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, kind), (soft, hard))
    if _prctl is not None and _prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        syscalls.refuse(_prctl)


def _address_space() -> int:
    """Bytes of this process now; 0 where nobody says."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 0
    return pages * resource.getpagesize()
