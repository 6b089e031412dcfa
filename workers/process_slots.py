"""Processes of a worker for work that computes: one call at a time each, replaced alone when it must die."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from types import TracebackType
from typing import Any, Final, Self, TypeVar

Value = TypeVar("Value")

_EXIT_SECONDS: Final = 2.0


class ProcessDied(Exception):  # noqa: N818 - named for what is so
    """The process ended in the middle of the call: it crashed, or was killed for want of memory."""


class CallFailed(Exception):  # noqa: N818 - named for what is so
    """What the call raised, where the exception itself could not travel between processes."""


class ProcessSlots:
    """`size` processes, each started when first needed. Enter it before use; leaving it kills them.

    Functions and arguments are pickled, so functions are those of modules. Nothing pickled is ever stored.
    """

    def __init__(self, size: int) -> None:
        self._slots = [_Slot() for _ in range(size)]
        self._free: asyncio.LifoQueue[_Slot] = asyncio.LifoQueue()
        # The threads only wait for answers.
        self._threads = ThreadPoolExecutor(max_workers=size, thread_name_prefix="process-slot")

    async def __aenter__(self) -> Self:
        for slot in self._slots:
            self._free.put_nowait(slot)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for slot in self._slots:
            slot.kill()
        self._threads.shutdown(wait=True)

    async def run(self, call: Callable[..., Value], *args: Any) -> Value:
        """Call the function in a free process, waiting for one. Cancelling the wait kills that process.

        Raises what the call raises, with its traceback as a note; CallFailed when that cannot be pickled;
        ProcessDied when the process did not live to answer.
        """
        slot = await self._free.get()
        slot.revive()
        answer = asyncio.get_running_loop().run_in_executor(self._threads, slot.call, call, args)
        answer.add_done_callback(lambda ended: self._give_back(slot, ended))
        try:
            value: Value = await asyncio.shield(answer)
        except asyncio.CancelledError:
            if not answer.done():  # else the slot is another call's by now
                slot.kill()
            raise
        return value

    def _give_back(self, slot: _Slot, ended: asyncio.Future[Any]) -> None:
        if not ended.cancelled():
            ended.exception()  # nobody may be waiting for it any more
        self._free.put_nowait(slot)


class _Slot:
    """One process and our end of the pipe to it. `call` is for one thread at a time, `kill` for any."""

    def __init__(self) -> None:
        self._process: ForkServerProcess | None = None
        self._pipe: Connection[Any, Any] | None = None
        self._lock = threading.Lock()
        self._killed = False

    def revive(self) -> None:
        """Before each call: a kill meant an earlier one."""
        self._killed = False

    def call(self, call: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        question = pickle.dumps((call, args))
        answer = _ask(*self._started(), question)
        if answer is None:
            raise ProcessDied(f"the process of the call ended: {self._ended()}")
        succeeded, value = pickle.loads(answer)  # noqa: S301 - written by our own process
        if not succeeded:
            raise value
        return value

    def kill(self) -> None:
        """End the process now, or keep the call from starting; the next call starts another."""
        with self._lock:
            self._killed = True
            if self._process is not None:
                _kill(self._process)

    def _started(self) -> tuple[ForkServerProcess, Connection[Any, Any]]:
        with self._lock:
            if self._killed:
                raise ProcessDied("the call was given up before it began")
            if self._process is not None and self._pipe is not None and self._process.is_alive():
                return self._process, self._pipe
            self._discard()
            context = multiprocessing.get_context("forkserver")
            ours, theirs = context.Pipe()
            self._process = context.Process(target=_answer_calls, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
            self._pipe = ours
            return self._process, ours

    def _ended(self) -> str:
        with self._lock:
            process = self._process
            if process is None:
                return "it was gone"
            process.join(_EXIT_SECONDS)
            code = process.exitcode
            self._discard()
        if code is not None and code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"exit code {code}"

    def _discard(self) -> None:
        process, self._process = self._process, None
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.close()
        if process is not None:
            _kill(process)
            process.join(_EXIT_SECONDS)


def _ask(process: ForkServerProcess, pipe: Connection[Any, Any], question: bytes) -> bytes | None:
    """What the process answers; None when it ended instead."""
    try:
        pipe.send_bytes(question)
        # The pipe alone does not tell: a process that the call forked may hold the other end.
        return pipe.recv_bytes() if pipe in wait([pipe, process.sentinel]) else None
    except (EOFError, OSError):
        return None


def _kill(process: ForkServerProcess) -> None:
    """With whatever the call started."""
    if process.pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _answer_calls(pipe: Connection[Any, Any]) -> None:
    """The life of a process: answers call after call until its worker closes the pipe, or dies."""
    # A signal to the worker's whole group is for the worker, which decides what becomes of the call.
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_worker, daemon=True).start()
    while True:
        try:
            question = pipe.recv_bytes()
        except (EOFError, OSError):
            return
        pipe.send_bytes(_answer(question))


def _answer(question: bytes) -> bytes:
    try:
        call, args = pickle.loads(question)  # noqa: S301 - written by our own worker
        return pickle.dumps((True, call(*args)))
    except Exception as error:  # noqa: BLE001 - the caller is told, whatever it was
        return pickle.dumps((False, _portable(error)))


def _portable(error: Exception) -> Exception:
    error.add_note("".join(traceback.format_exception(error)))
    try:
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    except Exception:  # noqa: BLE001 - exceptions of libraries do not always survive it
        copy = None
    if isinstance(copy, Exception):
        return error
    failed = CallFailed(f"{type(error).__name__}: {error}")
    failed.__notes__ = error.__notes__
    return failed


def _end_with_the_worker() -> None:
    worker = multiprocessing.parent_process()
    if worker is not None:
        worker.join()
        os.killpg(0, signal.SIGKILL)
