"""An edge in this process, on a real socket, with what a test wants to ask it."""

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from pydantic import SecretStr
from yarl import URL

from edge.lifetime import FINISH_SECONDS
from edge.limits import USUAL_LIMITS, Limits
from edge.process import serving
from edge.settings import Settings
from millrace.streams.keys import StreamKeys
from millrace.streams.records import Click, decode_click
from millrace.streams.redis_pipe import PipeliningRedis
from server.standalone.ports import free_port

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0.0.0 Safari/537.36"
)


@dataclass
class Edge:
    """A running edge, reached over one client session that keeps no cookies and follows no redirect."""

    address: str
    metrics_port: int
    session: aiohttp.ClientSession

    async def get(
        self, path: str, *, method: str = "GET", visitor: str = "198.51.100.7", **headers: str
    ) -> aiohttp.ClientResponse:
        """Sends a browser's request from the address of a visitor; the body is read."""
        sent = {"User-Agent": CHROME, "X-Forwarded-For": visitor}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(
            method,
            URL(f"http://{self.address}{path}", encoded=True),
            headers={name: value for name, value in sent.items() if value},
            allow_redirects=False,
            skip_auto_headers=("User-Agent",),
        ) as response:
            await response.read()
            return response

    async def metric(self, name: str, **labels: str) -> float:
        """The value of a metric as Prometheus reads it; 0 when it has not been counted yet."""
        async with self.session.get(f"http://127.0.0.1:{self.metrics_port}/metrics") as response:
            text = await response.text()
        wanted = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        shown = f"{name}{{{wanted}}}" if labels else name
        match = re.search(rf"^{re.escape(shown)} (\S+)$", text, re.MULTILINE)
        return float(match[1]) if match else 0.0

    async def raw(self, sent: bytes) -> bytes:
        """Sends bytes over a connection of their own and returns everything until the edge closes it."""
        host, port = self.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent)
        try:
            async with asyncio.timeout(5):
                return await reader.read()
        finally:
            writer.close()


@asynccontextmanager
async def running_edge(
    redis_url: str,
    grpc_port: int,
    *,
    prefix: str = "mr",
    limits: Limits = USUAL_LIMITS,
    farewell_seconds: float = 0.0,
    finish_seconds: float = FINISH_SECONDS,
    **changes: Any,
) -> AsyncIterator[Edge]:
    """Starts an edge that trusts X-Forwarded-For from loopback, and stops it at the end."""
    metrics_port = free_port()
    values: Mapping[str, Any] = {
        "mode": "development",
        "edge_port": free_port(),
        "redis_url": SecretStr(redis_url),
        "redis_prefix": prefix,
        # Tests share the machine; those about slowness ask for the real one.
        "redis_timeout_seconds": 2.0,
        "grpc_target": f"127.0.0.1:{grpc_port}",
        "edge_token": SecretStr("service-token"),
        "trusted_proxies": "127.0.0.0/8",
        "metrics_port": metrics_port,
    }
    async with AsyncExitStack() as resources:
        folder = resources.enter_context(tempfile.TemporaryDirectory(prefix="millrace-edge-"))
        settings = Settings(**{**values, "state_dir": folder, **changes})
        session = await resources.enter_async_context(
            aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=0)
            )
        )
        address = await resources.enter_async_context(
            serving(settings, limits=limits, farewell_seconds=farewell_seconds, finish_seconds=finish_seconds)
        )
        yield Edge(address, metrics_port, session)


async def recorded_clicks(redis: PipeliningRedis, keys: StreamKeys) -> list[Click]:
    """Every click in the streams, oldest first within a shard."""
    clicks = []
    for shard in range(keys.shards):
        for _, fields in await redis.execute("XRANGE", keys.clicks(shard), "-", "+"):
            clicks.append(decode_click(fields[1]))
    return clicks
