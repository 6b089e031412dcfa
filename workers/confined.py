"""Calls that may go wrong in any way, each in a fresh process that may do little. Makes no picture itself."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, Self

import msgspec
import structlog

from workers.confinement import protocol
from workers.confinement.processes import Ending, ForkServer, Process, read_exactly
from workers.confinement.protocol import Order
from workers.process_slots import CallFailed

log = structlog.get_logger(__name__)

_OWN_FAULTS: Final = frozenset(
    {
        signal.SIGSEGV,
        signal.SIGABRT,
        signal.SIGBUS,
        signal.SIGILL,
        signal.SIGFPE,
        signal.SIGSYS,
        signal.SIGTRAP,
    }
)


@dataclass(frozen=True, slots=True)
class Limits:
    """`memory_bytes`: address space beyond that of the fresh process. Seconds: computing, waiting."""

    memory_bytes: int
    cpu_seconds: int
    wall_seconds: float


class LimitExceeded(Exception):  # noqa: N818 - named for what is so
    """The call wanted more than it may have, of what `limit` says."""

    def __init__(self, limit: Literal["memory", "cpu time", "time"]) -> None:
        super().__init__(f"the call exceeded its limit of {limit}")
        self.limit = limit


class Crashed(Exception):  # noqa: N818 - named for what is so
    """The process ended by its own fault before it had answered, or answered what nobody can read."""


class Killed(Exception):  # noqa: N818 - named for what is so
    """Somebody else ended the process: the kernel for want of memory, or an operator. Another try may do."""


class ConfinedCalls:
    """At most `size` calls at once, each in a process forked for it from a small server, started when needed.

    `preload`: modules that the server imports before it forks; they must not start threads. Leaving the block
    ends the server and every process; so does the end of this process, however it comes.
    """

    def __init__(self, size: int, *, preload: Sequence[str] = ()) -> None:
        self._free = asyncio.Semaphore(size)
        self._preload = tuple(preload)
        self._server: ForkServer | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
            await asyncio.to_thread(server.process.wait)

    async def run(self, call: Callable[[bytes], bytes], question: bytes, limits: Limits) -> bytes:
        """What a function of a module answers. Cancelling the wait kills the process, and waits for its end.

        Nothing that the process says is unpickled; answers are bytes, of 64 MiB at most. Raises
        LimitExceeded, Crashed, Killed, and, when the call itself raised, CallFailed with the traceback.
        """
        order = _order(call, question, limits)
        async with self._free:
            with self._start_call() as process:
                return await _converse(process, order, question, limits)

    def _start_call(self) -> Process:
        if self._server is not None:
            # It may be gone without our knowing, killed for want of memory.
            with contextlib.suppress(ConnectionError):
                return self._server.start_call()
            self._server.close()
            self._server.process.wait()
        self._server = ForkServer(self._preload)
        return self._server.start_call()


async def _converse(process: Process, order: bytes, question: bytes, limits: Limits) -> bytes:
    try:
        async with asyncio.timeout(limits.wall_seconds):
            answer = await _ask(process.call, order, question)
            # Without an answer it has ended, or ends now; how, is the answer.
            ending = await process.ending() if answer is None else None
    except TimeoutError:
        await process.end()
        raise LimitExceeded("time") from None
    except BaseException:
        await process.end()
        raise
    if answer is None:
        _log_errors(process)
        raise _fate(ending, limits)
    await process.end()
    return _told(*answer)


async def _ask(call: socket.socket, order: bytes, question: bytes) -> tuple[bytes, bytes] | None:
    """Kind and content of the answer; None when there was none, or not all of it."""
    loop = asyncio.get_running_loop()
    # It may have answered, or ended, without reading all of the question.
    with contextlib.suppress(ConnectionError):
        await loop.sock_sendall(call, order)
        await loop.sock_sendall(call, question)
    header = await read_exactly(call, protocol.ANSWER_HEADER.size)
    if header is None:
        return None
    kind, length = protocol.ANSWER_HEADER.unpack(header)
    if length > protocol.MAX_ANSWER_BYTES:
        raise Crashed(f"the process answered {length:,} bytes; {protocol.MAX_ANSWER_BYTES:,} are allowed")
    content = await read_exactly(call, length)
    return None if content is None else (kind, content)


def _told(kind: bytes, content: bytes) -> bytes:
    if kind == protocol.ANSWERED:
        return content
    if kind == protocol.OUT_OF_MEMORY:
        raise LimitExceeded("memory")
    if kind == protocol.RAISED:
        raise CallFailed(content[-protocol.MAX_RAISED_BYTES :].decode("utf-8", "replace"))
    raise Crashed("the process answered what nobody can read")


def _fate(ending: Ending | None, limits: Limits) -> Exception:
    """What became of a process that did not answer."""
    if ending is None:
        return Killed("the fork server ended, and the process with it")
    if ending.code == protocol.OUT_OF_MEMORY_CODE:
        return LimitExceeded("memory")
    if ending.code >= 0:
        return Crashed(f"the process ended of itself with code {ending.code}")
    number = -ending.code
    # One that ignores the first signal is killed by the kernel a second later.
    if number == signal.SIGXCPU or (number == signal.SIGKILL and ending.cpu_seconds >= limits.cpu_seconds):
        return LimitExceeded("cpu time")
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    return (Crashed if number in _OWN_FAULTS else Killed)(f"the process was ended by {name}")


def _log_errors(process: Process) -> None:
    text = process.error_text()
    if text:
        log.warning("confined_process_complained", text=text)


def _order(call: Callable[[bytes], bytes], question: bytes, limits: Limits) -> bytes:
    """The order with its length in front; raises ValueError for what is no function of a module."""
    module, name = call.__module__, call.__qualname__
    if getattr(sys.modules.get(module), name, None) is not call or module == "__main__":
        raise ValueError(f"{module}.{name} is not a function of a module")
    order = msgspec.json.encode(Order(module, name, len(question), limits.memory_bytes, limits.cpu_seconds))
    return protocol.ORDER_LENGTH.pack(len(order)) + order
