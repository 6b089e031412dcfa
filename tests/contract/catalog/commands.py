"""Running a command of ours as a child, while the server it talks to runs in this process."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


async def run(module: str, *arguments: str, environment: Mapping[str, str]) -> Ended:
    """`python -m module …`, given a minute."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        env=dict(environment),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await child.communicate()
    return Ended(child.returncode or 0, out.decode(), err.decode())
