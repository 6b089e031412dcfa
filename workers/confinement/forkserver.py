"""A small program beside a worker that forks processes for it. It has one thread, and no secrets."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import selectors
import signal
import socket
from collections.abc import Sequence
from typing import Final

from workers.confinement.child import live
from workers.confinement.protocol import ENDING

# Of a request: the ends of the call, of the notice of its ending, and of its standard error.
FDS_OF_A_CALL: Final = 3


def serve(control: int, preload: Sequence[str]) -> None:
    """Fork a process for each request until the worker closes its end, or dies; then kill them all.

    The process of a call is killed when the worker closes its end of that call's notice.
    """
    for name in preload:
        # What cannot be imported is told by the call that needs it.
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # pages that no collection touches stay shared
    _Server(socket.socket(fileno=control)).run()


class _Server:
    """`_notices`: by process, where its ending is told."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._notices: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._wakeup, waker = socket.socketpair()
        self._wakeup.setblocking(False)
        waker.setblocking(False)
        self._waker = waker

    def run(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._control, selectors.EVENT_READ)
        self._selector.register(self._wakeup, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._wakeup:
                    self._reap()
                elif key.fileobj is not self._control:
                    self._kill(key.data, key.fileobj)
                elif not self._fork():
                    return self._end()

    def _fork(self) -> bool:
        """Whether there was a request, not the end of them."""
        try:
            request, fds, _, _ = socket.recv_fds(self._control, 1, FDS_OF_A_CALL)
        except OSError:
            return False
        if not request or len(fds) != FDS_OF_A_CALL:
            return False
        call, notice, errors = fds
        told = socket.socket(fileno=notice)
        server = os.getpid()
        try:
            pid = os.fork()
        except OSError:  # too many processes: closing the line says that there is none
            told.close()
            return True
        finally:
            if os.getpid() == server:
                os.close(call)
                os.close(errors)
        if pid == 0:
            signal.set_wakeup_fd(-1)
            live(call, errors, server)
        told.setblocking(False)
        self._notices[pid] = told
        self._selector.register(told, selectors.EVENT_READ, pid)
        return True

    def _kill(self, pid: int, notice: object) -> None:
        """The worker has closed its end."""
        # Only while the process is not reaped is the number its own.
        if self._notices.get(pid) is notice:
            self._selector.unregister(self._notices[pid])
            _kill_group(pid)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wakeup.recv(4096)
        while self._notices:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return
            # Its group is its own as long as it is not reaped: what it started goes with it.
            _kill_group(ended.si_pid)
            _, status, usage = os.wait4(ended.si_pid, 0)
            self._tell(ended.si_pid, os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime)

    def _tell(self, pid: int, code: int, seconds: float) -> None:
        notice = self._notices.pop(pid)
        with contextlib.suppress(KeyError):
            self._selector.unregister(notice)
        with contextlib.suppress(OSError):  # a worker that does not listen any more
            notice.send(ENDING.pack(code, seconds))
        notice.close()

    def _end(self) -> None:
        for pid in self._notices:
            _kill_group(pid)
        for pid in self._notices:
            os.waitpid(pid, 0)


def _kill_group(pid: int) -> None:
    # Not yet the leader of a group in the first moments of its life.
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
