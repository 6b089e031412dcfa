"""What confined processes are asked to do in tests: functions of a module, good and bad."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

NOT_A_FUNCTION = 5


def backwards(question: bytes) -> bytes:
    """The bytes in reverse."""
    return question[::-1]


def own_pid(question: bytes) -> bytes:
    """Which process this is."""
    return str(os.getpid()).encode()


def facts(question: bytes) -> bytes:
    """What the process has: variables, open files, threads, its parent."""
    threads = len(os.listdir("/proc/self/task"))
    return repr((dict(os.environ), sorted(map(int, os.listdir("/proc/self/fd"))), threads)).encode()


def initial_environment(question: bytes) -> bytes:
    """The variables that the program was started with, as the kernel shows them."""
    return Path("/proc/self/environ").read_bytes()


def modules(question: bytes) -> bytes:
    """Whether the named module was there before the call."""
    return str(question.decode() in sys.modules).encode()


def take_memory(question: bytes) -> bytes:
    """Take as many MiB as are asked for."""
    return str(len(bytearray(int(question) << 20))).encode()


def take_memory_bit_by_bit(question: bytes) -> bytes:
    """Take memory until there is none."""
    taken = []
    while True:
        taken.append(bytes(1000))


def compute(question: bytes) -> bytes:
    """Compute for ever; without heeding signals if so asked."""
    if question == b"stubborn":
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    while True:
        pass


def sleep(question: bytes) -> bytes:
    """Wait for ever."""
    while True:
        time.sleep(60)


def abort(question: bytes) -> bytes:
    """End as a failed assertion of C does."""
    os.abort()


def read_nowhere(question: bytes) -> bytes:
    """Read from address zero."""
    return bytes(ctypes.string_at(0))


def end(question: bytes) -> bytes:
    """End without a word."""
    os._exit(int(question))


def fail(question: bytes) -> bytes:
    """Raise."""
    raise LookupError(question.decode())


def leave(question: bytes) -> bytes:
    """Ask the interpreter to end."""
    sys.exit("no more")


def answer_at_length(question: bytes) -> bytes:
    """As many zeros as are asked for."""
    return bytes(int(question))


def answer_no_bytes(question: bytes) -> bytes:
    """Something that is not bytes."""
    return "text"  # type: ignore[return-value]


def talk(question: bytes) -> bytes:
    """Write more to the standard error than anybody reads."""
    for _ in range(10_000):
        with contextlib.suppress(OSError):
            os.write(2, b"complaint\n" * 100)
    return b"done"


def answer_rubbish(question: bytes) -> bytes:
    """Say something else than was agreed, on the line of the call."""
    os.write(3, question)
    os._exit(0)


def lie_about_length(question: bytes) -> bytes:
    """Announce a longer answer than there can be."""
    os.write(3, b"a" + b"\xff" * 8)
    time.sleep(60)
    return b""


def try_everything(question: bytes) -> bytes:
    """What of all that a picture has no business to do did succeed, by name."""
    folder = Path(question.decode())
    attempts: dict[str, Callable[[], object]] = {
        "fork": _fork,
        "program": lambda: subprocess.run(["true"], check=False),
        "new file": lambda: (folder / "new").write_bytes(b"x"),
        "written file": lambda: (folder / "old").write_bytes(b"x"),
        "removed file": (folder / "old").unlink,
        "renamed file": lambda: (folder / "old").rename(folder / "other"),
        "emptied file": lambda: os.truncate(folder / "old", 0),
        "folder": (folder / "folder").mkdir,
        "network": lambda: socket.create_connection(("127.0.0.1", 9), timeout=1),
        "signal": lambda: os.kill(os.getppid(), 0),
        "own group": os.setsid,
    }
    done = []
    for name, attempt in attempts.items():
        try:
            attempt()
        except (PermissionError, subprocess.SubprocessError):
            continue
        done.append(name)
    return ",".join(done).encode()


def _fork() -> None:
    for _ in range(50):
        if os.fork() == 0:
            time.sleep(60)


def open_files(question: bytes) -> bytes:
    """How many files can be open at once."""
    files = []
    with contextlib.suppress(OSError):
        while True:
            files.append(os.open("/dev/null", os.O_RDONLY))
    return str(len(files)).encode()


def use_a_thread(question: bytes) -> bytes:
    """What a thread makes of the question."""
    answers: list[bytes] = []
    thread = threading.Thread(target=lambda: answers.append(question.upper()))
    thread.start()
    thread.join()
    return answers[0]
