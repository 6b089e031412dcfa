"""A whole Millrace of one's own, started as `make run` starts it, for journeys, faults and benchmarks."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

START_SECONDS = 90
STOP_SECONDS = 30
ROOT = Path(__file__).resolve().parent.parent


class Stack:
    """A running supervisor with its children; `endpoints` is what it wrote for its users."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path, endpoints: dict[str, Any]) -> None:
        self.process = process
        self.folder = folder
        self.endpoints = endpoints

    def __getitem__(self, name: str) -> str:
        return str(self.endpoints[name])

    def pids(self, *words: str) -> list[int]:
        """The processes below the supervisor whose command line contains every one of `words`."""
        return [
            pid for pid in descendants(self.process.pid) if all(word in command_line(pid) for word in words)
        ]

    def kill(self, *words: str, signal_number: int = signal.SIGKILL) -> list[int]:
        """Sends the signal to those processes and says which they were; at least one must be there."""
        pids = self.pids(*words)
        if not pids:
            raise LookupError(f"no process of this stack has {words} in its command line")
        for pid in pids:
            os.kill(pid, signal_number)
        return pids

    def pid_of(self, name: str) -> int:
        """The process that the supervisor knows under this name, such as `edge-2`."""
        port = urlsplit(self.endpoints["metrics"][name]).port
        marked = f"MILLRACE_METRICS_PORT={port}\0".encode()
        for pid in descendants(self.process.pid):
            if marked in proc_file(pid, "environ"):
                return pid
        raise LookupError(f"no process of this stack is {name} now")

    def news(self) -> list[str]:
        """What the supervisor has said so far, line by line."""
        return (self.folder / "stack.log").read_text().splitlines()

    def times_back(self, name: str) -> int:
        """How often the supervisor has found this child ready again after it ended."""
        return self.news().count(f"millrace: {name} is back")

    async def stop(self) -> None:
        """Ends the stack as Ctrl-C does and waits until it is gone."""
        if self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            raise


async def start_stack(folder: Path, settings: Mapping[str, str] | None = None) -> Stack:
    """Starts a stack with its state below `folder` and waits until it says that it is ready."""
    log = (folder / "stack.log").open("ab")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "server.standalone",
        cwd=ROOT,
        env={**os.environ, "MILLRACE_STATE_DIR": str(folder / "state"), **(settings or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    log.close()
    endpoints = folder / "state" / "endpoints.json"
    # A file of an earlier run is removed by the supervisor, but perhaps not yet.
    endpoints.unlink(missing_ok=True)
    try:
        async with asyncio.timeout(START_SECONDS):
            while not endpoints.exists():
                if process.returncode is not None:
                    raise RuntimeError(f"the stack ended at once:\n{(folder / 'stack.log').read_text()}")
                await asyncio.sleep(0.02)
    except TimeoutError:
        process.terminate()
        await process.wait()
        raise RuntimeError(
            f"the stack was not ready in time:\n{(folder / 'stack.log').read_text()}"
        ) from None
    return Stack(process, folder, json.loads(endpoints.read_text()))


@asynccontextmanager
async def running_stack(folder: Path, settings: Mapping[str, str] | None = None) -> AsyncIterator[Stack]:
    """Starts a stack and stops it at the end."""
    stack = await start_stack(folder, settings)
    try:
        yield stack
    finally:
        await stack.stop()


def descendants(pid: int) -> list[int]:
    try:
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return children + [grandchild for child in children for grandchild in descendants(child)]


def command_line(pid: int) -> str:
    return proc_file(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace")


def proc_file(pid: int, name: str) -> bytes:
    """What the kernel says of a process; nothing once it is gone."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
