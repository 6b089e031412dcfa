"""The probe service: its compiled descriptors, a gRPC server that speaks them, and a gateway before it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import grpc
from aiohttp import ClientSession, web
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor
from yarl import URL

from edge.rest.gateway import EVERY_PATH, Gateway, unary_within
from tests.unit.rest.probe_server import ProbeServer, make_handlers

PACKAGE = "millrace.probe.v1"
HERE = Path(__file__).parent


def compile_protos(*protos: Path) -> descriptor_pb2.FileDescriptorSet:
    """Compile with protoc; what is imported comes first."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image"
        includes = {str(proto.parent) for proto in protos} | {sysconfig.get_paths()["purelib"]}
        subprocess.run(
            [sys.executable, "-m", "grpc_tools.protoc", "--include_imports", f"--descriptor_set_out={image}"]
            + [f"-I{include}" for include in sorted(includes)]
            + [str(proto) for proto in protos],
            check=True,
            capture_output=True,
        )
        return descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes())


def compile_into_default_pool(*protos: Path) -> None:
    """Add what is new to the default pool, where `Any` looks types up too."""
    for file in compile_protos(*protos).file:
        try:
            descriptor_pool.Default().FindFileByName(file.name)
        except KeyError:
            descriptor_pool.Default().AddSerializedFile(file.SerializeToString())


@cache
def probe_file() -> FileDescriptor:
    compile_into_default_pool(HERE / "probe.proto")
    return descriptor_pool.Default().FindFileByName("probe.proto")


def probe_service() -> ServiceDescriptor:
    return probe_file().services_by_name["Probe"]


def message(name: str, /, **fields: Any) -> Any:
    """A new message of the probe package."""
    return message_class(name)(**fields)


def message_class(name: str) -> type[Any]:
    return message_factory.GetMessageClass(probe_file().message_types_by_name[name])


@dataclass(frozen=True)
class Probe:
    """A running gateway with its server."""

    base: URL
    http: ClientSession
    server: ProbeServer
    stop_server: Callable[[], Awaitable[None]]

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        """Send a request whose path is already encoded."""
        async with self.http.request(method, URL(f"{self.base}{path}", encoded=True), **options) as response:
            return Answer(response.status, dict(response.headers), await response.read(), response)

    async def refused(self, method: str, path: str, field: str | None, **options: Any) -> str:
        """The detail of a 400 that names the field, or none."""
        answer = await self.ask(method, path, **options)
        assert answer.status == 400, answer.body
        named = [error["field"] for error in answer.json.get("errors", [])]
        assert named == ([] if field is None else [field])
        return str(answer.json["detail"])

    async def ask_raw(self, *lines: str, body: bytes = b"") -> bytes:
        """Send a request byte for byte, and read until the gateway closes the connection."""
        async with self.connection() as (reader, writer):
            head = "\r\n".join([lines[0], "Host: a.example", "Connection: close", *lines[1:]])
            writer.write(head.encode("latin1") + b"\r\n\r\n" + body)
            async with asyncio.timeout(5):
                return await reader.read()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(self.base.host, self.base.port)
        try:
            yield reader, writer
        finally:
            writer.close()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    response: Any

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@asynccontextmanager
async def running_probe(
    *,
    deadline_s: float = 5.0,
    open_channel: Callable[[str], grpc.aio.Channel] = grpc.aio.insecure_channel,
    **settings: Any,
) -> AsyncIterator[Probe]:
    """A probe of its own; `settings` are the gateway's."""
    state = ProbeServer()
    settings.setdefault("deadline_of", unary_within(deadline_s))
    handlers = [make_handlers(probe_service(), state)]
    async with running([probe_service()], handlers, state, open_channel=open_channel, **settings) as probe:
        yield probe


@asynccontextmanager
async def running(
    services: Iterable[ServiceDescriptor],
    handlers: Sequence[grpc.GenericRpcHandler],
    state: ProbeServer | None = None,
    *,
    open_channel: Callable[[str], grpc.aio.Channel] = grpc.aio.insecure_channel,
    **settings: Any,
) -> AsyncIterator[Probe]:
    """A gateway for any services before a gRPC server with these handlers."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with (
            open_channel(f"127.0.0.1:{port}") as channel,
            _http_server(Gateway(services, channel, **settings)) as base,
            ClientSession() as http,
        ):
            yield Probe(base, http, state or ProbeServer(), lambda: server.stop(0))
    finally:
        await server.stop(0)


@asynccontextmanager
async def _http_server(gateway: Gateway) -> AsyncIterator[URL]:
    app = web.Application()
    app.router.add_route("*", EVERY_PATH, gateway.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, auto_decompress=False, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield URL(f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()
