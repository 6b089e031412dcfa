"""What the tests let processes do; importable there by name."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import NoReturn


class Peculiar(Exception):  # noqa: N818 - a library's choice of name
    """An exception that cannot be unpickled, as libraries have them."""

    def __init__(self, one: str, *, other: str) -> None:
        super().__init__(one)
        self.other = other


def own_pid() -> int:
    return os.getpid()


def add(left: int, right: int) -> int:
    return left + right


def fail(text: str) -> NoReturn:
    raise ValueError(text)


def fail_peculiarly() -> NoReturn:
    raise Peculiar("a strange thing", other="happened")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def note_pid_and_hang(file: Path) -> None:
    partial = file.with_suffix(".partial")
    partial.write_text(str(os.getpid()))
    partial.rename(file)
    time.sleep(600)


def run_program(file: Path) -> None:
    program = subprocess.Popen(["sleep", "60"])
    file.write_text(str(program.pid))
    program.wait()
