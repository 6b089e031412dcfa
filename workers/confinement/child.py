"""The life of a confined process: reads one order, takes its limits upon itself, answers, and is gone."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import os
import signal
import socket
import traceback
from typing import Any, Final, NoReturn

import msgspec

from workers.confinement.limits import die_with, keep_to
from workers.confinement.protocol import (
    ANSWER_HEADER,
    ANSWERED,
    MAX_RAISED_BYTES,
    ORDER_LENGTH,
    OUT_OF_MEMORY,
    OUT_OF_MEMORY_CODE,
    RAISED,
    Order,
)

_CALL_FD: Final = 3
_MOST_FDS: Final = 4096


def live(call: int, errors: int, server: int) -> NoReturn:
    """The whole life, right after the fork. `call` and `errors` are file descriptors, `server` its parent."""
    code = 1
    try:
        os.setsid()
        die_with(server)
        _keep_only(call, errors)
        faulthandler.enable()
        _serve_one(socket.socket(fileno=_CALL_FD))
        code = 0
    except MemoryError:
        code = OUT_OF_MEMORY_CODE
    except BaseException:  # noqa: BLE001 - it is logged by the worker, and nothing may return from here
        with contextlib.suppress(BaseException):
            traceback.print_exc()
    finally:
        os._exit(code)


def _keep_only(call: int, errors: int) -> None:
    """Descriptors 0 and 1 lead nowhere, 2 to the worker's log, 3 is the call; no others are left."""
    # Out of the way of the numbers that they are to have.
    call, errors = os.dup(call), os.dup(errors)
    nothing = os.open(os.devnull, os.O_RDWR)
    for source, target in ((nothing, 0), (nothing, 1), (errors, 2), (call, _CALL_FD)):
        os.dup2(source, target)
    os.closerange(_CALL_FD + 1, _MOST_FDS)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    os.environ.clear()


def _serve_one(worker: socket.socket) -> None:
    (length,) = ORDER_LENGTH.unpack(_read(worker, ORDER_LENGTH.size))
    order = msgspec.json.decode(_read(worker, length), type=Order)
    # Imports may need files and memory that the call may not.
    call: Any = importlib.import_module(order.module)
    for name in order.function.split("."):
        call = getattr(call, name)
    keep_to(order.memory_bytes, order.cpu_seconds)
    kind, answer = _answer(call, worker, order.question_bytes)
    worker.sendall(ANSWER_HEADER.pack(kind, len(answer)))
    worker.sendall(answer)


def _answer(call: Any, worker: socket.socket, question_bytes: int) -> tuple[bytes, bytes]:
    try:
        answer = call(_read(worker, question_bytes))
        if isinstance(answer, bytes):
            return ANSWERED, answer
    except MemoryError:
        return OUT_OF_MEMORY, b""
    except BaseException:  # noqa: BLE001 - the worker is told, whatever it was
        return RAISED, traceback.format_exc().encode("utf-8", "replace")[-MAX_RAISED_BYTES:]
    return RAISED, f"the call returned {type(answer).__name__}, not bytes".encode()


def _read(worker: socket.socket, length: int) -> bytes:
    pieces: list[bytes] = []
    while length:
        # All of it at once, as a rule: questions are pictures, and copying those takes milliseconds.
        piece = worker.recv(length, socket.MSG_WAITALL)
        if not piece:
            raise EOFError("the worker hung up in the middle of an order")
        pieces.append(piece)
        length -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
