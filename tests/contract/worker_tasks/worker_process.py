"""A worker as it is deployed, in a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def running_worker(dsn: str, redis_url: str, prefix: str) -> AsyncIterator[None]:
    """A worker of all queues, told to stop when the block ends. It may not be ready when the block begins."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "workers",
        cwd=ROOT, env=environment(dsn, redis_url, prefix), stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 30)


def environment(dsn: str, redis_url: str, prefix: str) -> dict[str, str]:
    """What processes of ours are told."""
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'clients'}",
        "MILLRACE_POSTGRES_DSN": dsn,
        "MILLRACE_REDIS_URL": redis_url,
        "MILLRACE_REDIS_PREFIX": prefix,
        "MILLRACE_METRICS_PORT": "0",
        "MILLRACE_LOG_LEVEL": "warning",
    }
