"""A real gRPC server for a contract that only exists as a descriptor set: no stub is generated for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Self

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import MethodDescriptor

from tests.contract.gateway_tool.contracts import loaded

Answer = Callable[[Any, Any], Awaitable[Any]]
Stream = Callable[[Any, Any], AsyncIterator[Any]]


class UpstreamServer:
    """Serves the methods it is given answers for; every other one is UNIMPLEMENTED."""

    def __init__(self, image: Path, answers: Mapping[str, Answer | Stream], *, port: int = 0) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        for file in loaded(image).file:
            self._pool.Add(file)
        self._handlers = {
            f"/{path}": self._handler(_method(self._pool, path), answer) for path, answer in answers.items()
        }
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((_Handlers(self._handlers),))
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(0)

    def message(self, name: str, /, **fields: Any) -> Any:
        """A new message of the contract."""
        return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(name))(**fields)

    @staticmethod
    def _handler(method: MethodDescriptor, answer: Any) -> Any:
        read = message_factory.GetMessageClass(method.input_type).FromString
        kind = (
            grpc.unary_stream_rpc_method_handler
            if method.server_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        return kind(answer, read, lambda message: message.SerializeToString())


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, handlers: Mapping[str, Any]) -> None:
        self._handlers = handlers

    def service(self, handler_call_details: Any) -> Any:
        return self._handlers.get(handler_call_details.method)


def _method(pool: descriptor_pool.DescriptorPool, path: str) -> MethodDescriptor:
    service, _, method = path.rpartition("/")
    found: MethodDescriptor = pool.FindServiceByName(service).methods_by_name[method]
    return found
