"""Services made up by tests: any rules over the probe's messages, answered by a server that echoes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor

from tests.unit.rest.probe import PACKAGE, Probe, probe_file, running
from tests.unit.rest.probe_server import ProbeServer


def made_up_service(
    rules: Mapping[str, http_pb2.HttpRule],
    *,
    request: str = "Everything",
    answer: str = "Everything",
    client_streaming: bool = False,
) -> ServiceDescriptor:
    """A service `made.up.v1.MadeUp` in a pool of its own, with a method for each rule."""
    file = descriptor_pb2.FileDescriptorProto(
        name="made_up.proto", package="made.up.v1", syntax="proto3", dependency=["probe.proto"]
    )
    file.service.add(name="MadeUp")
    for name, rule in rules.items():
        method = file.service[0].method.add(
            name=name,
            input_type=f".{PACKAGE}.{request}",
            output_type=f".{PACKAGE}.{answer}",
            client_streaming=client_streaming,
        )
        method.options.Extensions[annotations_pb2.http].CopyFrom(rule)
    pool = descriptor_pool.DescriptorPool()
    _copy_with_dependencies(probe_file(), pool)
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindServiceByName("made.up.v1.MadeUp")


def _copy_with_dependencies(file: FileDescriptor, pool: descriptor_pool.DescriptorPool) -> None:
    for dependency in file.dependencies:
        _copy_with_dependencies(dependency, pool)
    pool.AddSerializedFile(file.serialized_pb)


@asynccontextmanager
async def echoing(services: Iterable[ServiceDescriptor], **settings: Any) -> AsyncIterator[Probe]:
    """A gateway before a server that sends the bytes of every request back as the answer.

    `server.received` has them, too.
    """
    state = ProbeServer()

    def handler(service: ServiceDescriptor) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler(
            service.full_name,
            {method.name: grpc.unary_unary_rpc_method_handler(state.echo) for method in service.methods},
        )

    made = list(services)
    async with running(made, [handler(service) for service in made], state, **settings) as probe:
        yield probe
