"""A Valkey process that a test may freeze, kill and start again on the same port."""

import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis as redis_py

from server.standalone.backing.redis import find_program
from server.standalone.ports import free_port

START_SECONDS = 10.0


class OwnValkey:
    """One server on a port of its own, keeping nothing on disk; a killed one starts empty."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of database 0."""
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Starts the server and returns when it answers."""
        command = [str(find_program()), "--port", str(self._port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--dir", str(self._folder), *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.wait_until("PING", answers="True")

    def kill(self) -> None:
        """Kills the server without a warning; its connections break."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Stops the process: connections stay, nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets a frozen process go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def command(self, *args: str) -> Any:
        """Runs one command over a connection of its own."""
        with redis_py.Redis.from_url(self.url, decode_responses=True) as client:
            return client.execute_command(*args)

    def wait_until(self, *args: str, answers: str) -> None:
        """Repeats a command until its answer contains the text."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                reply = str(self.command(*args)).replace("'", "").replace(": ", ":")
            except redis_py.RedisError as error:
                reply = str(error)
            if answers in reply:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{args} answered {reply!r}")
            time.sleep(0.01)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
