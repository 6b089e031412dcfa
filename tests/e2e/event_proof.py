"""Runs the proof of events' numbers as `make prove` does."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass

from tests.stack import ROOT, Stack


@dataclass(frozen=True)
class Proof:
    """What the proof said, and how it ended: 0 when everything agreed."""

    code: int
    text: str


async def prove(stack: Stack) -> Proof:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.analytics", "prove",
        cwd=ROOT,
        env={
            **os.environ,
            "MILLRACE_POSTGRES_DSN": stack["postgres_dsn"],
            "MILLRACE_REDIS_URL": stack["redis_url"],
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode is not None
    return Proof(process.returncode, output.decode())
