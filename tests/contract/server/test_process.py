"""The server as a process and as a host: health, reflection, subsets, TLS, tokens, stop."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import CollectorRegistry

import millrace
from millrace.affiliate.v1.affiliate_service_pb2 import GetProgramRequest
from millrace.affiliate.v1.affiliate_service_pb2_grpc import AffiliateServiceStub
from millrace.catalog.v1.catalog_service_pb2 import GetProductRequest, ListProductsRequest
from millrace.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from millrace.errors import MillraceError
from server.auth.principal import Role
from server.hosting import hosted
from server.rpc.metrics import RpcMetrics
from server.settings import Settings

CATALOG = "millrace.catalog.v1.CatalogService"
AFFILIATE = "millrace.affiliate.v1.AffiliateService"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.mark.parametrize("service", ["", CATALOG, AFFILIATE])
async def test_health_says_serving(channel: grpc.aio.Channel, service: str) -> None:
    """For the process and each of its services, without a token."""
    health: Any = health_pb2_grpc.HealthStub(channel)
    answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
    assert answer.status == SERVING


async def test_reflection_lists_the_services(channel: grpc.aio.Channel) -> None:
    """When it is switched on, tools find the services and their descriptors."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub
    asked: Any = reflection_pb2.ServerReflectionRequest
    requests = [
        asked(list_services=""),
        asked(file_containing_symbol=CATALOG),
    ]
    listed, described = [answer async for answer in stub(channel).ServerReflectionInfo(iter(requests))]
    assert {CATALOG, AFFILIATE} <= {service.name for service in listed.list_services_response.service}
    names = [
        FileDescriptorProto.FromString(file).name
        for file in described.file_descriptor_response.file_descriptor_proto
    ]
    assert "millrace/catalog/v1/catalog_service.proto" in names


async def test_a_subset_serves_nothing_else(settings: Settings, registry: CollectorRegistry) -> None:
    """A process of the catalogue alone answers UNIMPLEMENTED for the rest, and knows no health of it."""
    subset = settings.model_copy(update={"services": ("catalog",)})
    async with (
        hosted(subset, metrics=RpcMetrics(registry)) as host,
        grpc.aio.insecure_channel(f"127.0.0.1:{host.port}") as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await AffiliateServiceStub(channel).GetProgram(GetProgramRequest())
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
        health: Any = health_pb2_grpc.HealthStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await health.Check(health_pb2.HealthCheckRequest(service=AFFILIATE))
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_an_unknown_service_name_is_refused(settings: Settings) -> None:
    """A misspelt subset is a start-up error, not an empty server."""
    with pytest.raises(ValueError, match="catalogue"):
        async with hosted(settings.model_copy(update={"services": ("catalogue",)})):
            pass


async def test_watchers_learn_of_the_stop_before_the_port_closes(
    settings: Settings, registry: CollectorRegistry
) -> None:
    """NOT_SERVING comes first; a call under way then still gets its answer."""
    stop = asyncio.Event()
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def run() -> None:
        async with hosted(settings, metrics=RpcMetrics(registry)) as host:
            port.set_result(host.port)
            await stop.wait()

    running = asyncio.create_task(run())
    async with asyncio.timeout(20), grpc.aio.insecure_channel(f"127.0.0.1:{await port}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(service=CATALOG))
        assert (await watch.read()).status == SERVING
        stop.set()
        assert (await watch.read()).status == NOT_SERVING
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await CatalogServiceStub(channel).ListProducts(ListProductsRequest())
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED  # served, that is
        watch.cancel()
        await running


async def test_who_goes_on_calling_is_answered_for_a_while(
    settings: Settings, registry: CollectorRegistry
) -> None:
    """The port stays open while calls still come in, as from clients that are slow to learn of the stop."""
    stop = asyncio.Event()
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def run() -> None:
        async with hosted(settings, metrics=RpcMetrics(registry)) as host:
            port.set_result(host.port)
            await stop.wait()

    running = asyncio.create_task(run())
    async with asyncio.timeout(20), grpc.aio.insecure_channel(f"127.0.0.1:{await port}") as channel:
        stop.set()
        for _ in range(12):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await CatalogServiceStub(channel).ListProducts(ListProductsRequest())
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED  # served, that is
            await asyncio.sleep(0.1)
        await running


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, a server's and a client's certificate, valid for localhost."""
    folder = tmp_path_factory.mktemp("tls")
    _openssl(folder, "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=ca -keyout ca.key -out ca.pem")
    (folder / "san.ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for name in ("server", "client"):
        _openssl(folder, f"req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr")
        _openssl(
            folder,
            f"x509 -req -days 1 -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial "
            f"-extfile san.ext -out {name}.pem",
        )
    return folder


def _openssl(folder: Path, arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], cwd=folder, check=True, capture_output=True)


async def test_mutual_tls(settings: Settings, registry: CollectorRegistry, certificates: Path) -> None:
    """With a client CA configured, only callers with a certificate of it are heard."""
    secured = settings.model_copy(
        update={
            "grpc_tls_cert": certificates / "server.pem",
            "grpc_tls_key": certificates / "server.key",
            "grpc_tls_client_ca": certificates / "ca.pem",
        }
    )
    ca = (certificates / "ca.pem").read_bytes()
    ours = grpc.ssl_channel_credentials(
        ca, (certificates / "client.key").read_bytes(), (certificates / "client.pem").read_bytes()
    )
    async with hosted(secured, metrics=RpcMetrics(registry)) as host:
        target = f"localhost:{host.port}"
        for credentials, expected in [(ours, SERVING), (grpc.ssl_channel_credentials(ca), None)]:
            async with grpc.aio.secure_channel(target, credentials) as channel:
                assert await _health(channel) == expected
        async with grpc.aio.insecure_channel(target) as channel:
            assert await _health(channel) is None


async def _health(channel: grpc.aio.Channel) -> int | None:
    """The status, or None when there is no getting through."""
    health: Any = health_pb2_grpc.HealthStub(channel)
    try:
        answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=5)
    except grpc.aio.AioRpcError:
        return None
    return int(answer.status)


@pytest.fixture
def environment(postgres_dsn: str, redis_url: str, unused_port: int) -> dict[str, str]:
    """The variables of a server process."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
    return {
        **inherited,
        "MILLRACE_POSTGRES_DSN": postgres_dsn,
        "MILLRACE_REDIS_URL": redis_url,
        "MILLRACE_GRPC_LISTEN": f"127.0.0.1:{unused_port}",
        "MILLRACE_JWT_SECRETS": "test:a-secret-of-these-tests-and-nobody-else",
    }


async def test_the_process_serves_and_stops(environment: dict[str, str], unused_port: int) -> None:
    """`python -m server` answers a token of `python -m server.auth mint`, and ends with 0 on SIGTERM."""
    command = [sys.executable, "-m", "server.auth", "mint", "--role", "admin", "--ttl", "60"]
    minted = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    server = await asyncio.create_subprocess_exec(sys.executable, "-m", "server", env=environment)
    try:
        async with millrace.connect(f"127.0.0.1:{unused_port}", token=minted.stdout.strip()) as client:
            async with asyncio.timeout(20):
                while True:
                    with pytest.raises(MillraceError) as refused:
                        await client.catalog.GetProduct(GetProductRequest(product_id="none"))
                    if refused.value.code is grpc.StatusCode.NOT_FOUND:
                        break
        server.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await server.wait() == 0
    finally:
        if server.returncode is None:
            server.kill()


async def test_a_stop_while_postgres_is_away(environment: dict[str, str]) -> None:
    """A process that still waits for its stores ends at once, and with 0."""
    environment["MILLRACE_POSTGRES_DSN"] = "postgresql://nobody:nothing@127.0.0.1:1/none"
    environment["MILLRACE_LOG_FORMAT"] = "json"
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server", env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    async with asyncio.timeout(20):
        assert b"postgres_not_yet_reachable" in await server.stdout.readline()
        server.send_signal(signal.SIGTERM)
        await server.stdout.read()
        assert await server.wait() == 0


@pytest.mark.parametrize(
    "arguments",
    [["--role", "root"], ["--role", "partner"], ["--role", "admin", "--partner-id", "x"], []],
)
def test_minting_refuses_nonsense(environment: dict[str, str], arguments: list[str]) -> None:
    """The command line says what is wrong and prints no token."""
    command = [sys.executable, "-m", "server.auth", "mint", *arguments]
    refused = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert refused.returncode == 2
    assert refused.stdout == ""


def test_the_process_refuses_weak_secrets(environment: dict[str, str]) -> None:
    """Without development mode there is no start with a default secret."""
    del environment["MILLRACE_JWT_SECRETS"]
    refused = subprocess.run(
        [sys.executable, "-m", "server"], env=environment, check=False, capture_output=True, text=True
    )
    assert refused.returncode != 0
    assert "MILLRACE_JWT_SECRETS" in refused.stderr


def test_roles_are_the_contracts() -> None:
    """The claim's values are the contract's names in lower case."""
    from millrace.auth.v1.access_pb2 import Access

    names = {name.lower() for name, number in Access.Role.items() if number}
    assert names == {role.value for role in Role}


async def test_an_unknown_service_ends_the_process_with_one_message(environment: dict[str, str]) -> None:
    """It names the services that there are; no traceback."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", "--services", "catalogue"),
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        _, err = await child.communicate()
    assert child.returncode == 1
    assert b"affiliate, analytics, catalog" in err
    assert b"Traceback" not in err
