"""The probe service: its compiled descriptors, a gRPC server that speaks them, and a gateway before it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import grpc
from aiohttp import ClientSession, web
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from yarl import URL

from edge.rest.gateway import EVERY_PATH, Gateway

PACKAGE = "millrace.probe.v1"
HERE = Path(__file__).parent


def compile_into_default_pool(*protos: Path) -> None:
    """Compile with protoc and add what is new to the default pool, where `Any` looks types up too."""
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
        files = descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes())
    for file in files.file:
        try:
            descriptor_pool.Default().FindFileByName(file.name)
        except KeyError:
            descriptor_pool.Default().AddSerializedFile(file.SerializeToString())


@cache
def probe_file() -> FileDescriptor:
    compile_into_default_pool(HERE / "probe.proto")
    return descriptor_pool.Default().FindFileByName("probe.proto")


def message(name: str, /, **fields: Any) -> Any:
    """A new message of the probe package."""
    return message_class(name)(**fields)


def message_class(name: str) -> type[Any]:
    return message_factory.GetMessageClass(probe_file().message_types_by_name[name])


@dataclass
class ProbeServer:
    """What the servicer saw and does; tests read and set it."""

    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    seconds_left: float | None = None


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
async def running_probe(*, deadline_s: float = 5.0) -> AsyncIterator[Probe]:
    state = ProbeServer()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_handlers(state),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        gateway = Gateway([probe_file().services_by_name["Probe"]], channel, default_deadline=deadline_s)
        app = web.Application(client_max_size=1 << 20)
        app.router.add_route("*", EVERY_PATH, gateway.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        base = URL(f"http://127.0.0.1:{runner.addresses[0][1]}")
        async with ClientSession() as http:
            yield Probe(base.origin(), http, state, lambda: server.stop(0))
        await runner.cleanup()
    await server.stop(0)


def _handlers(state: ProbeServer) -> grpc.GenericRpcHandler:
    async def slow(request: Any, context: Any) -> Any:
        return await _slow(state, context)

    special: dict[str, Callable[[Any, Any], Awaitable[Any]]] = {
        "DeleteThing": _empty,
        "Fail": _fail,
        "Slow": slow,
        "Metadata": _metadata,
    }
    methods: dict[str, Any] = {}
    for method in probe_file().services_by_name["Probe"].methods:
        request = message_factory.GetMessageClass(method.input_type)
        if method.server_streaming:
            methods[method.name] = grpc.unary_stream_rpc_method_handler(
                _count, request.FromString, _serialise
            )
        else:
            behaviour = special.get(method.name, _echo)
            methods[method.name] = grpc.unary_unary_rpc_method_handler(
                behaviour, request.FromString, _serialise
            )
    return grpc.method_handlers_generic_handler(f"{PACKAGE}.Probe", methods)


def _serialise(answer: Message) -> bytes:
    return answer.SerializeToString()


async def _echo(request: Any, context: Any) -> Any:
    return request


async def _empty(request: Any, context: Any) -> Any:
    from google.protobuf.empty_pb2 import Empty

    return Empty()


async def _slow(state: ProbeServer, context: Any) -> Any:
    state.seconds_left = context.time_remaining()
    state.started.set()
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        state.cancelled.set()
        raise
    raise AssertionError("nobody waits so long")


async def _metadata(request: Any, context: Any) -> Any:
    from google.protobuf.struct_pb2 import Struct

    answer = Struct()
    answer.update({key: value for key, value in context.invocation_metadata() if isinstance(value, str)})
    return answer


async def _count(request: Any, context: Any) -> AsyncIterator[Any]:
    for count in range(request.page_size):
        yield message("Inner", count=count)
    if request.thing_id == "break":
        await context.abort(grpc.StatusCode.UNAVAILABLE, "10.0.0.7 went away")


async def _fail(request: Any, context: Any) -> Any:
    """Fail as the request says: `with` lists the details to attach."""
    code = next(code for code in grpc.StatusCode if code.value[0] == request.code)
    status = status_pb2.Status(code=request.code, message=request.message)
    for name in filter(None, getattr(request, "with").split(",")):
        status.details.append(_DETAILS[name])
    if getattr(request, "with") == "garbage":
        context.set_trailing_metadata((("grpc-status-details-bin", b"\xff\xff\xff"),))
    elif status.details:
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    await context.abort(code, request.message)


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


_bad = error_details_pb2.BadRequest()
_bad.field_violations.add(field="link.destination_url", description="must be on an allowed host")
_retry = error_details_pb2.RetryInfo()
_retry.retry_delay.FromMilliseconds(2_500)
_DETAILS = {
    "info": _packed(error_details_pb2.ErrorInfo(domain="millrace", reason="LINK_TAKEN")),
    "bad": _packed(_bad),
    "retry": _packed(_retry),
    "unknown": any_pb2.Any(type_url="type.googleapis.com/no.such.Type", value=b"\x08\x01"),
    "broken": any_pb2.Any(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff\xff"),
    "garbage": any_pb2.Any(),
}
