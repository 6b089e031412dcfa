"""Drains for the tests: one inside this process, or one of its own that can be ended badly."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from workers.drain.app import drain
from workers.drain.settings import DrainSettings

ROOT = Path(__file__).parents[3]

RunningDrain = Callable[[], AbstractAsyncContextManager[None]]
StartDrain = Callable[..., AbstractAsyncContextManager[asyncio.subprocess.Process]]


@asynccontextmanager
async def draining_here(settings: DrainSettings) -> AsyncIterator[None]:
    """A drain inside this process, stopped gracefully when the block ends."""
    stopping = asyncio.Event()
    task = asyncio.create_task(drain(settings, stopping))
    try:
        yield
    finally:
        stopping.set()
        async with asyncio.timeout(20):
            await task


@asynccontextmanager
async def draining_apart(
    settings: DrainSettings, *, killed_at: str = "", occurrence: int = 1
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A drain in a process of its own; given a step, it kills itself when it meets it again."""
    module = ["tests.contract.drain.killed_drain", killed_at, str(occurrence)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *(module if killed_at else ["workers.drain"]),
        cwd=ROOT, env=_environment(settings), stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _environment(settings: DrainSettings) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'clients'}",
        "MILLRACE_POSTGRES_DSN": settings.postgres_dsn.get_secret_value(),
        "MILLRACE_REDIS_URL": settings.redis_url.get_secret_value(),
        "MILLRACE_REDIS_PREFIX": settings.redis_prefix,
        "MILLRACE_STREAM_SHARDS": str(settings.stream_shards),
        "MILLRACE_METRICS_PORT": str(settings.metrics_port),
    }
