"""One child process: what it is, how it is started, known to be ready, and stopped.

Restarting and the order among several children live in `supervision`.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server.standalone.accounts import Account, bound_command

PROBE_INTERVAL = 0.02
TAIL_BYTES = 4096
LARGE_LOG_BYTES = 32 * 1024 * 1024

Probe = Callable[[], Awaitable[bool]]


class ChildError(Exception):
    """A child ended, or did not become ready in time; the message carries the end of its log."""


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """Everything needed to start one child, any number of times.

    `environment` is the whole environment of the child. `ready` is asked until it answers true.
    `death_signal` is what the kernel sends the child when we die without a word; `stop_signal` is what we
    send, SIGKILL after `stop_within` seconds. `inherited` are file descriptors that it keeps.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    ready: Probe
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGTERM
    stop_within: float = 10.0
    inherited: tuple[int, ...] = field(default=())


class Child:
    """A started child. Whoever starts it stops it.

    Start it from the main thread: the kernel ties the death signal to the thread that made the child.
    """

    def __init__(self, spec: ChildSpec, process: asyncio.subprocess.Process, log_start: int = 0) -> None:
        self.spec = spec
        self._process = process
        self._log_start = log_start

    @classmethod
    async def start(cls, spec: ChildSpec) -> "Child":
        """Starts the program in a session of its own, output appended to the log; does not wait for it."""
        make_room(spec.log)
        with spec.log.open("ab") as log:
            log_start = log.tell()
            process = await asyncio.create_subprocess_exec(
                *bound_command(spec.command, spec.account, spec.death_signal),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=spec.folder,
                env=dict(spec.environment),
                start_new_session=True,
                pass_fds=spec.inherited,
            )
        return cls(spec, process, log_start)

    @property
    def pid(self) -> int:
        """The process id, which is also its session and group id."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while running, the negated signal number after death by signal."""
        return self._process.returncode

    async def wait(self) -> int:
        """Waits for the end and returns the exit code."""
        return await self._process.wait()

    async def wait_ready(self, timeout: float) -> None:
        """Waits for the probe's yes; raises ChildError if the child ends or `timeout` seconds pass first."""
        deadline = time.monotonic() + timeout
        while not await self.spec.ready():
            if self.returncode is not None:
                raise ChildError(f"{self.spec.name} {ending(self.returncode)}\n{self.last_words()}")
            if time.monotonic() > deadline:
                raise ChildError(f"{self.spec.name} was not ready in {timeout:g} s\n{self.last_words()}")
            await asyncio.sleep(PROBE_INTERVAL)

    def last_words(self) -> str:
        """The end of what this child wrote to its log, indented; not what others wrote there before it."""
        return log_tail(self.spec.log, since=self._log_start)

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the child itself; a child that has ended is left alone."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def stop(self) -> int:
        """Asks the child to stop, kills its whole group once its bound is over, returns the exit code."""
        self.signal(self.spec.stop_signal)
        try:
            return await asyncio.wait_for(self._process.wait(), self.spec.stop_within)
        except TimeoutError:
            self.kill()
            return await self._process.wait()

    def kill(self) -> None:
        """Kills the child and its group without asking."""
        # Not after its end has been collected: from then on the number may be another group's.
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)


@contextlib.asynccontextmanager
async def running(spec: ChildSpec, *, timeout: float = 20.0) -> AsyncIterator[Child]:
    """A child that is ready on entry and stopped on exit."""
    child = await Child.start(spec)
    try:
        await child.wait_ready(timeout)
        yield child
    finally:
        await child.stop()


def make_room(log: Path) -> None:
    """Puts a log that has grown large aside, replacing the one put aside before."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LARGE_LOG_BYTES:
            log.replace(log.with_name(f"{log.name}.1"))


def ending(returncode: int) -> str:
    """How a child ended, in words."""
    if returncode < 0:
        return f"was killed by {signal.Signals(-returncode).name}"
    return f"ended with code {returncode}"


def log_tail(log: Path, lines: int = 12, *, since: int = 0) -> str:
    """The last lines of a log from byte `since` on, indented; empty when there is none."""
    with contextlib.suppress(OSError), log.open("rb") as source:
        source.seek(max(since, log.stat().st_size - TAIL_BYTES))
        text = source.read().decode(errors="replace")
        return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])
    return ""
