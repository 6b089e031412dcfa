"""The tool as its users start it: a process of its own, asked through its public door."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from click.testing import CliRunner
from yarl import URL

from edge.gateway.command import main

ROOT = Path(__file__).parents[3]
START_SECONDS = 30


@dataclass(frozen=True)
class Reply:
    """One whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Tool:
    """A running `python -m edge.gateway`."""

    process: asyncio.subprocess.Process
    address: str
    http: aiohttp.ClientSession

    def url(self, path: str) -> URL:
        """The address of a path that is encoded already."""
        return URL(f"http://{self.address}{path}", encoded=True)

    async def ask(self, method: str, path: str, **options: Any) -> Reply:
        """Send one request and read the whole answer."""
        async with self.http.request(method, self.url(path), **options) as response:
            return Reply(response.status, response.headers, await response.read())

    async def get(self, path: str, **options: Any) -> Reply:
        return await self.ask("GET", path, **options)

    async def post(self, path: str, body: object, **options: Any) -> Reply:
        return await self.ask("POST", path, json=body, **options)


@asynccontextmanager
async def running_tool(image: Path, upstream: str, *options: str) -> AsyncIterator[Tool]:
    """Start the tool on a free port; it is ended at the end if it still runs."""
    process = await start_command(
        f"--descriptor-set={image}", f"--upstream={upstream}", "--port=0", "--log-format=json", *options
    )
    try:
        address = await _address(process)
        # Nobody reads its log from here on; a full pipe would stop it.
        log = asyncio.create_task(process.communicate())
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            yield Tool(process, address, http)
        if process.returncode is None:
            process.kill()
        await log
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def start_command(*arguments: str) -> asyncio.subprocess.Process:
    """Start the tool with these arguments."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "edge.gateway",
        *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def refused_start(*arguments: str) -> tuple[int | None, str, str]:
    """Run the tool until it ends by itself: its exit code, its output, its complaint."""
    process = await start_command(*arguments)
    async with asyncio.timeout(START_SECONDS):
        output, complaint = await process.communicate()
    return process.returncode, output.decode(), complaint.decode()


def refused_at_once(*arguments: str) -> tuple[int, str, str]:
    """The same in this process, for what is refused before anything is opened."""
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.timeout(START_SECONDS):
        async for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "edge_started":
                return str(event["address"])
        raise AssertionError(f"the tool ended at once: {(await process.stderr.read()).decode()}")
