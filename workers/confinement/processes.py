"""A worker's lines to its fork server and to each process. What is said on them is in `protocol`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from workers.confinement import protocol

# Only what an interpreter may need to start. Neither the server nor its processes ever see the rest: it holds
# passwords, and clearing it later would leave them in memory.
_KEPT_VARIABLES: Final = (
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "PYTHONHOME",
    "LANG",
    "LC_ALL",
    "SYSTEMROOT",
)
# A fresh process touches all of its memory for the first time, which in pages of 4 KiB took a tenth of the
# computing for a picture. So it has huge ones, on a heap that keeps what is freed: with the thresholds that
# glibc would come to by itself in a longer life. Other C libraries take no notice.
_TUNED: Final = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"
    ":glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=67108864"
}
_START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "from workers.confinement.forkserver import serve; serve(int(sys.argv[1]), sys.argv[2:])"
)
_ENDING_SECONDS: Final = 5.0
_MOST_ERROR_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended: its exit code, below zero for a signal, and the seconds it computed."""

    code: int
    cpu_seconds: float


class ForkServer:
    """The program that forks, and our end of the line to it."""

    def __init__(self, preload: Sequence[str]) -> None:
        self._control, theirs = socket.socketpair()
        # As absolute paths: it works elsewhere.
        paths = json.dumps([str(Path(entry).absolute()) for entry in sys.path])
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-I", "-c", _START, paths, str(theirs.fileno()), *preload],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=_TUNED | {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ},
                cwd="/",
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )

    def start_call(self) -> Process:
        """A fresh process that waits for its order; raises OSError when the server is gone."""
        if self.process.poll() is not None:
            raise ConnectionResetError("the fork server ended")
        return Process(self._control)

    def close(self) -> None:
        """It ends of itself then, having killed its processes."""
        self._control.close()


class Process:
    """Our ends of the three lines to a process: the call, the notice of its ending, its standard error."""

    def __init__(self, control: socket.socket) -> None:
        self.call, their_call = socket.socketpair()
        self.notice, their_notice = socket.socketpair()
        self._errors, their_errors = os.pipe()
        # What it writes beyond the pipe's room is lost: nobody reads before its end.
        os.set_blocking(their_errors, False)
        os.set_blocking(self._errors, False)
        self.call.setblocking(False)
        self.notice.setblocking(False)
        try:
            socket.send_fds(control, [b"c"], [their_call.fileno(), their_notice.fileno(), their_errors])
        except OSError:
            self.__exit__()
            raise
        finally:
            their_call.close()
            their_notice.close()
            os.close(their_errors)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.call.close()
        self.notice.close()
        os.close(self._errors)

    async def ending(self) -> Ending | None:
        """How it ended, once it has; None when the server is gone, and the process with it."""
        received = await read_exactly(self.notice, protocol.ENDING.size)
        return None if received is None else Ending(*protocol.ENDING.unpack(received))

    async def end(self) -> Ending | None:
        """Kill it, if it is there, and wait until it is not."""
        with contextlib.suppress(OSError):
            self.notice.shutdown(socket.SHUT_WR)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ENDING_SECONDS):
                return await self.ending()
        return None

    def error_text(self) -> str:
        """What it wrote to its standard error, cut."""
        try:
            return os.read(self._errors, _MOST_ERROR_BYTES).decode("utf-8", "replace")
        except OSError:
            return ""


async def read_exactly(line: socket.socket, length: int) -> bytes | None:
    """So many bytes; None when the other side ended before."""
    loop = asyncio.get_running_loop()
    received = bytearray()
    while len(received) < length:
        try:
            piece = await loop.sock_recv(line, min(length - len(received), 1 << 20))
        except ConnectionError:
            return None
        if not piece:
            return None
        received += piece
    return bytes(received)
