"""Runs the scripts that drive a real browser. What they do there is theirs to say."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

VISIT_SECONDS = 90
NODE = Path(sys.executable).parent / "node"


async def output_of(*command: str) -> str:
    """What the command prints; it must succeed, and not take longer than a visit may."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), VISIT_SECONDS)
    except TimeoutError:
        process.terminate()
        raise
    assert process.returncode == 0, out.decode() + err.decode()
    return out.decode()
