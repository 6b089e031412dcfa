"""How the tool speaks to upstreams of different kinds: retries, health, TLS."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio

from tests.contract.gateway_tool.contracts import compiled_text
from tests.contract.gateway_tool.tool_process import running_tool

CONTRACT = """
syntax = "proto3";
package a.v1;
import "google/api/annotations.proto";
message M { string id = 1; }
service S {
  rpc Read(M) returns (M) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {get: "/v1/m/{id}"};
  }
  rpc Add(M) returns (M) { option (google.api.http) = {post: "/v1/m" body: "*"}; }
}
"""

Call = Callable[[bytes, Any], Awaitable[bytes]]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A method that may be repeated, and one that may not."""
    return compiled_text(CONTRACT, tmp_path_factory.mktemp("upstreams"))


async def _echo(request: bytes, context: Any) -> bytes:
    return request


@asynccontextmanager
async def serving_bytes(
    call: Call = _echo, *, credentials: grpc.ServerCredentials | None = None, **servicers: Any
) -> AsyncIterator[str]:
    """A server that answers every method of `a.v1.S` alike, without looking at the message."""
    server = grpc.aio.server()
    handler: Any = grpc.unary_unary_rpc_method_handler(call)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("a.v1.S", dict.fromkeys(("Read", "Add"), handler)),)
    )
    if "health" in servicers:
        health_pb2_grpc.add_HealthServicer_to_server(servicers["health"], server)
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(0)


async def test_only_repeatable_methods_are_repeated(image: Path) -> None:
    """UNAVAILABLE is tried again where the contract says that it may be, four times in all."""
    calls: Counter[str] = Counter()

    async def fail(request: bytes, context: Any) -> bytes:
        calls[request.decode()[2:]] += 1
        await context.abort(grpc.StatusCode.UNAVAILABLE, "busy")
        return b""

    async with serving_bytes(fail) as target, running_tool(image, target) as tool:
        replies = [
            await tool.get("/v1/m/read"),
            await tool.post("/v1/m", {"id": "add"}),
        ]
    assert [reply.status for reply in replies] == [503, 503]
    assert calls == {"read": 4, "add": 1}


async def test_a_server_without_a_health_service_is_served_though_its_health_is_watched(image: Path) -> None:
    """UNIMPLEMENTED counts as healthy."""
    async with serving_bytes() as target, running_tool(image, target, "--watch-health") as tool:
        assert (await tool.get("/v1/m/x")).json == {"id": "x"}


async def test_a_server_that_says_it_is_not_serving_gets_nothing_while_it_is_watched(image: Path) -> None:
    """And is served again once it says SERVING."""
    health = health_aio.HealthServicer()
    await health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    async with (
        serving_bytes(health=health) as target,
        running_tool(image, target, "--watch-health") as watching,
        running_tool(image, target) as careless,
    ):
        assert (await watching.get("/v1/m/x")).status == 503
        assert (await watching.get("/readyz")).status == 503
        assert (await careless.get("/v1/m/x")).status == 200
        await health.set("", health_pb2.HealthCheckResponse.SERVING)
        async with asyncio.timeout(5):
            while (await watching.get("/readyz")).status != 200:
                await asyncio.sleep(0.02)
        assert (await watching.get("/v1/m/x")).status == 200


class GuardedHealth(health_pb2_grpc.HealthServicer):
    """The health service of a server whose interceptor lets nobody in without a credential."""

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802 - the contract's name
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you")


async def test_a_server_that_lets_nobody_watch_its_health_is_served_by_default(image: Path) -> None:
    """Watching it would take it out of service for good, which is why the tool does so only when told."""
    async with (
        serving_bytes(health=GuardedHealth()) as target,
        running_tool(image, target) as tool,
    ):
        assert (await tool.get("/v1/m/x")).status == 200


@dataclass(frozen=True)
class Certificates:
    """PEM files: an authority, and a key with its certificate for 127.0.0.1."""

    ca: Path
    cert: Path
    key: Path

    @property
    def server(self) -> grpc.ServerCredentials:
        """Credentials of a server that serves only who shows a certificate of the authority."""
        pair = (self.key.read_bytes(), self.cert.read_bytes())
        return grpc.ssl_server_credentials(
            [pair], root_certificates=self.ca.read_bytes(), require_client_auth=True
        )


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Made for these tests."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return Certificates(cert_file, cert_file, key_file)


async def test_both_ends_show_a_certificate(image: Path, certificates: Certificates) -> None:
    """Mutual TLS from three files."""
    options = [
        f"--tls-ca={certificates.ca}",
        f"--tls-cert={certificates.cert}",
        f"--tls-key={certificates.key}",
    ]
    async with (
        serving_bytes(credentials=certificates.server) as target,
        running_tool(image, target, *options) as tool,
    ):
        assert (await tool.get("/v1/m/x")).json == {"id": "x"}


async def test_an_upstream_of_another_authority_is_not_spoken_to(
    image: Path, certificates: Certificates
) -> None:
    """503: with `--tls` alone it must be known to the public authorities."""
    async with (
        serving_bytes(credentials=certificates.server) as target,
        running_tool(image, target, "--tls") as tool,
    ):
        assert (await tool.get("/v1/m/x")).status == 503
