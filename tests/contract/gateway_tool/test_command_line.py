"""What the command says when it cannot start, and when it can."""

import asyncio
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from tests.contract.gateway_tool.contracts import compiled, compiled_text, loaded, saved
from tests.contract.gateway_tool.tool_process import (
    refused_at_once,
    refused_start,
    running_tool,
    start_command,
)

NOWHERE = "127.0.0.1:1"
NOT_OURS = "203.0.113.1"
WITHOUT_RULES = 'syntax = "proto3"; package a; message M {} service S { rpc Do(M) returns (M); }'
BAD_RULE = """
syntax = "proto3";
package a;
import "google/api/annotations.proto";
message M { string id = 1; }
service S {
  rpc Do(M) returns (M) { option (google.api.http) = {get: "/v1/{nope}"}; }
}
"""
TWO_ALIKE = """
syntax = "proto3";
package a;
import "google/api/annotations.proto";
message M { string id = 1; }
service S {
  rpc First(M) returns (M) { option (google.api.http) = {get: "/v1/{id}"}; }
  rpc Second(M) returns (M) { option (google.api.http) = {get: "/v1/{id=*}"}; }
}
"""
CLIENT_STREAM = """
syntax = "proto3";
package a;
import "google/api/annotations.proto";
message M {}
service S {
  rpc Do(stream M) returns (M) { option (google.api.http) = {post: "/v1/x" body: "*"}; }
}
"""

HIDING = """
syntax = "proto3";
package a;
import "google/api/annotations.proto";
message M { message Deep { string SerializeToString = 1; } repeated Deep deep = 1; }
service S {
  rpc Do(M) returns (M) { option (google.api.http) = {post: "/v1/x" body: "*"}; }
}
"""

HIDING_IN_PROTO2 = """
syntax = "proto2";
package a;
import "google/api/annotations.proto";
message M { required string FindInitializationErrors = 1; }
service S {
  rpc Do(M) returns (M) { option (google.api.http) = {post: "/v1/x" body: "*"}; }
}
"""
ONE_JSON_NAME = """
syntax = "proto2";
package a;
import "google/api/annotations.proto";
message M {
  option deprecated_legacy_json_field_conflicts = true;
  optional string one_name = 1;
  optional string oneName = 2;
}
service S {
  rpc Do(M) returns (M) { option (google.api.http) = {post: "/v1/x" body: "*"}; }
}
"""

Make = Callable[[Path], Path]


def _written(content: bytes) -> Make:
    def write(folder: Path) -> Path:
        file = folder / "given.binpb"
        file.write_bytes(content)
        return file

    return write


def _circular(folder: Path) -> Path:
    files = [
        FileDescriptorProto(name=f"{one}.proto", dependency=[f"{other}.proto"]) for one, other in ("ab", "ba")
    ]
    return saved(FileDescriptorSet(file=files), folder / "circle.binpb")


def _contradicting(folder: Path) -> Path:
    """A set that holds two different files of one name."""
    image = loaded(compiled_text(BAD_RULE, folder / "one"))
    image.file.append(loaded(compiled_text(WITHOUT_RULES, folder / "two")).file[-1])
    return saved(image, folder / "both.binpb")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "absent.binpb", ["absent.binpb", "No such file"]),
        (lambda folder: folder, ["cannot be read", "Is a directory"]),
        (_written(b""), ["not a compiled descriptor set", "--include_imports"]),
        (_written(b"syntax = 'proto3';"), ["not a compiled descriptor set"]),
        (_written(b"\x1f\x8b\x08\x00 zipped"), ["not a compiled descriptor set"]),
        (_written(b'{"file": []}'), ["not a compiled descriptor set"]),
        (_written(b"\x0a\x00"), ["not a compiled descriptor set"]),
        (
            lambda folder: compiled("shelf.proto", folder, imports=False),
            ["shelf.proto imports google/api/annotations.proto", "--include_imports"],
        ),
        (lambda folder: compiled_text(WITHOUT_RULES, folder), ["no method", "google.api.http"]),
        (lambda folder: compiled_text(BAD_RULE, folder), ["a.S.Do: ", "nope"]),
        (lambda folder: compiled_text(TWO_ALIKE, folder), ["a.S.Second: ", "a.S.First", "same shape"]),
        (lambda folder: compiled_text(CLIENT_STREAM, folder), ["a.S.Do: ", "stream"]),
        (lambda folder: compiled_text(HIDING, folder), ["a.M.Deep.SerializeToString: "]),
        (lambda folder: compiled_text(HIDING_IN_PROTO2, folder), ["a.M.FindInitializationErrors: "]),
        (lambda folder: compiled_text(ONE_JSON_NAME, folder), ["a.M.oneName: one_name is called oneName"]),
        (_circular, ["import each other: a.proto -> b.proto -> a.proto"]),
        (_contradicting, ["given.proto", "differs"]),
    ],
)
def test_a_file_that_cannot_be_served_is_refused_in_one_line(
    make: Make, words: list[str], tmp_path: Path
) -> None:
    """Exit code 2, one line that names what is wrong, nothing on stdout."""
    code, output, complaint = refused_at_once(
        f"--descriptor-set={make(tmp_path)}",
        f"--upstream={NOWHERE}",
        f"--host={NOT_OURS}",  # ends the tool that takes the file, too
    )
    assert (code, output, complaint.count("\n")) == (2, "", 1)
    assert all(word in complaint for word in words), complaint


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--service=shelf.v1.Nope"], ["shelf.v1.Nope", "shelf.v1.Shelves, shelf.v1.Loans"]),
        (["--service=shelf.v1.Inside"], ["shelf.v1.Inside", "with HTTP rules"]),
        (["--tls-cert=cert.pem"], ["--tls-key"]),
        (["--tls-ca=absent.pem"], ["absent.pem", "No such file"]),
        (["--tls-ca=pyproject.toml"], ["pyproject.toml", "TLS"]),
        (["--port=70000"], ["--port"]),
        (["--deadline=0"], ["--deadline"]),
        (["--trusted-proxies=10.0.0.0/99"], ["10.0.0.0/99"]),
        (["--forward-header=grpc-timeout"], ["grpc-timeout"]),
        (["--upstream=http://127.0.0.1:1"], ["HOST:PORT"]),
        (["--upstream="], ["HOST:PORT"]),
        ([f"--host={NOT_OURS}"], [f"cannot listen on {NOT_OURS}"]),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(
    shelf_image: Path, arguments: list[str], words: list[str]
) -> None:
    """Exit code 2 and the reason."""
    code, _, complaint = refused_at_once(
        f"--descriptor-set={shelf_image}", f"--upstream={NOWHERE}", *arguments
    )
    assert code == 2
    assert all(word in complaint for word in words), complaint


@pytest.mark.parametrize("option", ["--port", "--metrics-port"])
async def test_a_port_in_use_is_refused_in_one_line(shelf_image: Path, option: str) -> None:
    """The address is named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        arguments = [
            f"--descriptor-set={shelf_image}",
            f"--upstream={NOWHERE}",
            "--port=0",
            f"{option}={port}",
        ]
        code, _, complaint = await refused_start(*arguments)
    assert (code, complaint.count("\n")) == (2, 1)
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in complaint


async def test_the_routes_are_counted_at_the_start_and_listed_for_those_who_debug(shelf_image: Path) -> None:
    """One line each: method, template, RPC."""
    process = await start_command(
        f"--descriptor-set={shelf_image}",
        f"--upstream={NOWHERE}",
        "--port=0",
        "--log-level=debug",
        "--log-format=json",
        "--service=shelf.v1.Loans",
    )
    assert process.stdout is not None
    lines: dict[str, Any] = {}
    async with asyncio.timeout(30):
        while "contract_served" not in lines:
            line = json.loads(await process.stdout.readline())
            lines[line["event"]] = line
    process.kill()
    await process.communicate()
    assert lines["route_served"]["path"] == "POST /v1/{name=shelves/*/books/*}:lend"
    assert lines["route_served"]["rpc"] == "shelf.v1.Loans.Lend"
    assert (lines["contract_served"]["routes"], lines["contract_served"]["services"]) == (
        1,
        ["shelf.v1.Loans"],
    )


async def test_a_service_that_was_not_named_is_not_served(shelf_image: Path) -> None:
    """`--service` limits the paths."""
    async with running_tool(shelf_image, NOWHERE, "--service=shelf.v1.Loans") as tool:
        assert (await tool.get("/v1/shelves/1/books/2")).status == 404
        assert (await tool.post("/v1/shelves/1/books/2:lend", {})).status == 503


def test_help_names_every_option() -> None:
    """It is what most people read."""
    code, output, _ = refused_at_once("--help")
    assert code == 0
    assert all(
        option in output
        for option in ("--descriptor-set", "--upstream", "--service", "--deadline", "--tls-ca", "--no-docs")
    )


async def test_metrics_are_counted_by_rpc(shelf_image: Path, unused_port: int) -> None:
    """The label comes from the contract."""
    async with running_tool(shelf_image, NOWHERE, f"--metrics-port={unused_port}") as tool:
        await tool.get("/v1/shelves/1/books/2")
        async with tool.http.get(f"http://127.0.0.1:{unused_port}/metrics") as response:
            text = await response.text()
    assert 'millrace_edge_requests_total{route="shelf.v1.Shelves.GetBook",status="503"} 1.0' in text
