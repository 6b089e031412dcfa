"""Questions asked of a child until it says that it is ready. None raises; a refused connection is a no."""

import asyncio
import contextlib
import json
from collections.abc import Iterable

from server.standalone.children import Probe

ANSWER_TIMEOUT = 2.0


async def _exchange(port: int, request: bytes, host: str, limit: int = 512) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        await writer.drain()
        return await reader.read(limit) if request else b""
    finally:
        writer.close()


def accepts(port: int, host: str = "127.0.0.1") -> Probe:
    """Something accepts connections on the port."""

    async def ready() -> bool:
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(_exchange(port, b"", host), ANSWER_TIMEOUT)
            return True
        return False

    return ready


def answers(port: int, request: bytes, expected: bytes, host: str = "127.0.0.1") -> Probe:
    """What is sent back to `request` contains `expected`."""

    async def ready() -> bool:
        with contextlib.suppress(OSError, TimeoutError):
            return expected in await asyncio.wait_for(_exchange(port, request, host), ANSWER_TIMEOUT)
        return False

    return ready


def http_ok(port: int, path: str, host: str = "127.0.0.1") -> Probe:
    """A GET of the path is answered with status 200."""
    name = f"[{host}]" if ":" in host else host
    request = f"GET {path} HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n"
    return answers(port, request.encode(), b" 200 ", host)


async def state_of(dependency: str, port: int, host: str = "127.0.0.1") -> str | None:
    """What the `/readyz` of a drain, worker or scheduler says of a dependency; None when it says nothing."""
    request = f"GET /readyz HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    with contextlib.suppress(OSError, TimeoutError, ValueError):
        answer = await asyncio.wait_for(_exchange(port, request.encode(), host, -1), ANSWER_TIMEOUT)
        said = json.loads(answer.partition(b"\r\n\r\n")[2]).get(dependency)
        return str(said) if said else None
    return None


def all_of(probes: Iterable[Probe]) -> Probe:
    """Every probe says yes, asked in order."""
    asked = tuple(probes)

    async def ready() -> bool:
        for probe in asked:
            if not await probe():
                return False
        return True

    return ready


async def at_once() -> bool:
    """Yes: for a child whose end is waited for instead."""
    return True
