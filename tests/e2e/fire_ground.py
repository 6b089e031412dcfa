"""A stack whose Redis and PostgreSQL are the test's own, to be stopped, frozen, filled and killed at will."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import redis.asyncio

from millrace.streams.keys import GROUP, StreamKeys
from server.standalone.backing.postgres import FAST, ensure_database
from server.standalone.backing.postgres import prepare as prepare_postgres
from server.standalone.backing.redis import prepare as prepare_redis
from server.standalone.children import Child, ChildError, ChildSpec
from server.standalone.ports import free_port
from tests.e2e.quiet import is_quiet, spooled_bytes
from tests.stack import ROOT, Stack, proc_file, running_stack

START_SECONDS = 30.0


class Backing:
    """A backing service that runs or does not, as the test wants."""

    def __init__(self, spec: ChildSpec) -> None:
        self._spec = spec
        self._child: Child | None = None

    @property
    def child(self) -> Child:
        assert self._child is not None, f"{self._spec.name} is not running"
        return self._child

    async def start(self) -> None:
        """Starts it and waits until it answers; what a killed one left behind may hold it up a while."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            child = await Child.start(self._spec)
            try:
                await child.wait_ready(START_SECONDS)
            except ChildError:
                await child.stop()
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.05)
            else:
                self._child = child
                return

    async def stop(self) -> None:
        if self._child is not None:
            self.thaw()
            await self._child.stop()
        self._child = None

    async def kill(self) -> None:
        """Kills the process with SIGKILL and returns when it is gone."""
        self.child.signal(signal.SIGKILL)
        await self.child.wait()
        self._child = None

    def freeze(self) -> None:
        self.child.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.child.signal(signal.SIGCONT)


@dataclass(frozen=True)
class FireGround:
    """The stack and what it stands on."""

    stack: Stack
    redis: Backing
    postgres: Backing

    async def set_memory_limit(self, limit: str) -> None:
        """Redis refuses writes above the limit, `0` for none."""
        async with redis.asyncio.Redis.from_url(self.stack["redis_url"]) as client:
            await client.config_set("maxmemory", limit)

    def spooled_bytes(self) -> int:
        """What waits in the edges' spools."""
        return spooled_bytes(self.stack)

    @asynccontextmanager
    async def another(self, name: str, module: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """One more process like the stack's own of that name, which is killed in the end."""
        environment = environment_of(self.stack.pid_of(name)) | {"MILLRACE_METRICS_PORT": str(free_port())}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def until_drains(self, count: int) -> None:
        """Waits until so many drains read the events' stream, each under a name of its own."""
        stream = StreamKeys().events(0)
        async with redis.asyncio.Redis.from_url(self.stack["redis_url"]) as client, asyncio.timeout(20):
            # Dead ones are still in the list for a while, and silent.
            while sum(each["idle"] < 2_000 for each in await client.xinfo_consumers(stream, GROUP)) < count:
                await asyncio.sleep(0.1)

    async def until_quiet(self, within_seconds: float) -> None:
        """Waits until spools and streams are empty, so that Postgres has all that will ever come."""
        async with asyncio.timeout(within_seconds):
            while not await is_quiet(self.stack):
                await asyncio.sleep(0.1)


@asynccontextmanager
async def fire_ground(**more: str) -> AsyncIterator[FireGround]:
    """Two edges, everything else once, in a folder of its own; `more` are settings by variable."""
    with tempfile.TemporaryDirectory(prefix="millrace-fire-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        server = await asyncio.to_thread(prepare_postgres, folder, port=free_port())
        store = prepare_redis(folder, port=free_port())
        postgres = Backing(server.child(folder / "postgres.log", FAST))
        valkey = Backing(store.child(folder / "redis.log"))
        try:
            await asyncio.gather(postgres.start(), valkey.start())
            await ensure_database(server)
            settings = {
                "MILLRACE_EDGE_PROCESSES": "2",
                "MILLRACE_POSTGRES_DSN": server.dsn(),
                "MILLRACE_REDIS_URL": store.url,
                **more,
            }
            async with running_stack(folder, settings) as stack:
                yield FireGround(stack, valkey, postgres)
        finally:
            await asyncio.gather(postgres.stop(), valkey.stop())


def environment_of(pid: int) -> dict[str, str]:
    """The variables a process was started with."""
    pairs = (pair.partition(b"=") for pair in proc_file(pid, "environ").split(b"\0") if pair)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


async def dead_letters(dsn: str) -> list[str]:
    """Records that could not become rows, in words."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT stream, reason, detail FROM stream_dead_letters")
    finally:
        await connection.close()
    return [" ".join(row) for row in rows]
