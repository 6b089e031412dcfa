"""One stack per state folder, also across a supervisor that was killed."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

SUPERVISOR_LOCK = "supervisor.lock"
STACK_LOCK = "stack.lock"
LAST_RUN_ENDS_WITHIN = 30.0


class StackRunningError(Exception):
    """Another supervisor, or what it left, is using the state folder."""


@contextmanager
def supervisor_lock(state: Path) -> Iterator[None]:
    """Held by the one supervisor of the folder; raises StackRunningError when there is one already."""
    with (state / SUPERVISOR_LOCK).open("a+") as lock:
        if not _try_lock(lock):
            lock.seek(0)
            raise StackRunningError(
                f"a stack with the state folder {state} is already running (process {lock.read().strip()}); "
                "stop it, or set MILLRACE_STATE_DIR to another folder"
            )
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def stack_lock(state: Path) -> Iterator[IO[bytes]]:
    """A file for `wait_for_last_run` to lock; every child inherits it, so it outlives the supervisor."""
    with (state / STACK_LOCK).open("ab") as lock:
        yield lock


async def wait_for_last_run(lock: IO[bytes], say: Callable[[str], None]) -> None:
    """Returns once no process of an earlier run is left and the lock is ours."""
    deadline = time.monotonic() + LAST_RUN_ENDS_WITHIN
    waited = False
    while not _try_lock(lock):
        if not waited:
            say("waiting for the last run's processes to end")
            waited = True
        if time.monotonic() > deadline:
            raise StackRunningError(f"processes of the last run are still alive; see: fuser -v {lock.name}")
        await asyncio.sleep(0.05)


def _try_lock(lock: IO[str] | IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
