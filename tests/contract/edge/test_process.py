"""The edge as a process of its own: it starts, tells clients to leave, finishes and ends."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from server.standalone.ports import free_port
from tests.contract.edge.link_server import LinkServer

ROOT = Path(__file__).parents[3]
HEAD = b"GET /l/shoe22 HTTP/1.1\r\nHost: a.example\r\n\r\n"


@dataclass
class EdgeProcess:
    """`python -m edge`, listening."""

    process: asyncio.subprocess.Process
    port: int

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


@pytest.fixture
async def subject(redis_url: str, link_server: LinkServer, tmp_path: Path) -> AsyncIterator[EdgeProcess]:
    """A started process; killed at the end if it is still there."""
    port = free_port()
    settings = {
        "MILLRACE_MODE": "development",
        "MILLRACE_REDIS_URL": redis_url,
        "MILLRACE_EDGE_PORT": str(port),
        "MILLRACE_GRPC_TARGET": f"127.0.0.1:{link_server.port}",
        "MILLRACE_LOG_FORMAT": "json",
        "MILLRACE_STATE_DIR": str(tmp_path),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edge", cwd=ROOT, env={**os.environ, **settings}, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        while b"edge_started" not in (line := await process.stdout.readline()):
            assert line, "the edge ended before it had started"
    yield EdgeProcess(process, port)
    if process.returncode is None:
        process.kill()
        await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_graceful_stop_fails_nobody(
    subject: EdgeProcess, link_server: LinkServer, number: signal.Signals
) -> None:
    """New connections are refused, the old one is told to leave, a request under way is finished."""
    reader, writer = await subject.connect()
    writer.write(HEAD)
    first = await reader.readuntil(b"\r\n\r\n")
    slow_reader, slow_writer = await subject.connect()
    link_server.add("slow22")
    link_server.delay_seconds = 0.7
    slow_writer.write(HEAD.replace(b"shoe22", b"slow22"))
    await asyncio.sleep(0.2)

    subject.process.send_signal(number)
    await asyncio.sleep(0.2)
    with pytest.raises(ConnectionRefusedError):
        await subject.connect()
    writer.write(HEAD)
    last = await reader.read()
    finished = await slow_reader.read()
    assert await asyncio.wait_for(subject.process.wait(), 10) == 0

    assert first.startswith(b"HTTP/1.1 302 ")
    assert b"Connection: close" not in first
    assert last.startswith(b"HTTP/1.1 302 ")
    assert b"Connection: close" in last
    assert finished.startswith(b"HTTP/1.1 302 ")
    writer.close()
    slow_writer.close()


async def test_a_second_signal_does_not_hurry_the_stop(subject: EdgeProcess, link_server: LinkServer) -> None:
    """Whoever sends it twice gets the same stop: the request under way is finished."""
    reader, writer = await subject.connect()
    link_server.add("slow22")
    link_server.delay_seconds = 0.7
    writer.write(HEAD.replace(b"shoe22", b"slow22"))
    async with asyncio.timeout(5):
        while not link_server.asked["slow22"]:
            await asyncio.sleep(0.01)
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
        subject.process.send_signal(number)
        await asyncio.sleep(0.1)
    assert (await reader.read()).startswith(b"HTTP/1.1 302 ")
    assert await asyncio.wait_for(subject.process.wait(), 10) == 0
    writer.close()


async def test_without_settings_it_does_not_start() -> None:
    """It names what is missing and leaves with an error."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edge", cwd=ROOT, env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, complaint = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode != 0
    assert b"MILLRACE_REDIS_URL" in complaint
