"""Contracts that others have published, served as they are."""

import sysconfig
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.longrunning import operations_pb2, operations_pb2_grpc  # type: ignore[import-untyped]
from google.protobuf import any_pb2, empty_pb2
from google.rpc import status_pb2

from tests.contract.gateway_tool.contracts import compiled
from tests.contract.gateway_tool.tool_process import Tool, running_tool

PUBLISHED = Path(sysconfig.get_paths()["purelib"])


class Operations(operations_pb2_grpc.OperationsServicer):  # type: ignore[misc] # the stubs are untyped
    """Knows one operation, which has failed."""

    def ListOperations(self, request: Any, context: Any) -> Any:  # noqa: N802 - the contract's name
        found = [self._operation("operations/a/b")] if request.filter == "done" else []
        return operations_pb2.ListOperationsResponse(operations=found)

    def GetOperation(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.name != "operations/a/b":
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no {request.name}")
        return self._operation(request.name)

    def CancelOperation(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.name != "operations/a/b":
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no {request.name}")
        return empty_pb2.Empty()

    @staticmethod
    def _operation(name: str) -> Any:
        known = any_pb2.Any()
        known.Pack(status_pb2.Status(code=7, message="inner"))
        return operations_pb2.Operation(
            name=name, metadata=known, done=True, error=status_pb2.Status(code=9, message="it is too late")
        )


@pytest.fixture(scope="module")
def operations_port() -> Iterator[int]:
    """A threaded grpcio server with the published stubs."""
    server = grpc.server(ThreadPoolExecutor(2))
    operations_pb2_grpc.add_OperationsServicer_to_server(Operations(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None).wait()


@pytest.fixture(scope="module")
async def operations(operations_port: int, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tool]:
    """The tool before it, with two published contracts in two files."""
    folder = tmp_path_factory.mktemp("published")
    first = compiled("google/longrunning/operations_proto.proto", folder, folder=PUBLISHED)
    second = compiled("google/cloud/location/locations.proto", folder, folder=PUBLISHED)
    async with running_tool(first, f"127.0.0.1:{operations_port}", f"--descriptor-set={second}") as tool:
        yield tool


async def test_a_resource_name_of_many_segments_is_one_value(operations: Tool) -> None:
    """`{name=operations/**}`; an `Any` of a type of the set is spelt out."""
    reply = await operations.get("/v1/operations/a/b")
    assert reply.json == {
        "name": "operations/a/b",
        "metadata": {
            "@type": "type.googleapis.com/google.rpc.Status",
            "code": 7,
            "message": "inner",
            "details": [],
        },
        "done": True,
        "error": {"code": 9, "message": "it is too late", "details": []},
    }


async def test_a_verb_after_many_segments_is_no_part_of_the_name(operations: Tool) -> None:
    """`{name=operations/**}:cancel`."""
    reply = await operations.post("/v1/operations/a/b:cancel", {})
    assert (reply.status, reply.json) == (200, {})


async def test_the_collection_itself_is_another_method(operations: Tool) -> None:
    """`{name=operations}` is more specific than `{name=operations/**}`."""
    reply = await operations.get("/v1/operations?filter=done")
    assert [operation["name"] for operation in reply.json["operations"]] == ["operations/a/b"]


async def test_what_the_server_does_not_know_is_not_found(operations: Tool) -> None:
    """The message is the server's."""
    reply = await operations.get("/v1/operations/c")
    assert (reply.status, reply.json["detail"]) == (404, "there is no operations/c")


async def test_a_service_of_the_second_file_is_served_too(operations: Tool) -> None:
    """This server does not have it."""
    assert (await operations.get("/v1/projects/p/locations")).status == 501
