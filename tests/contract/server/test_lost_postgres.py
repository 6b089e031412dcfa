"""A server whose PostgreSQL goes away and comes back."""

import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import grpc
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from millrace.catalog.v1.catalog_service_pb2 import ListProductsRequest
from millrace.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from millrace.errors import error_from_rpc
from server.db.engine import make_engine, wait_until_reachable
from server.db.migrations import upgrade
from server.hosting import hosted
from server.rpc.metrics import RpcMetrics
from server.settings import Settings
from server.standalone.backing.postgres import FAST, Postgres, running_postgres
from server.standalone.children import Child, running

Metadata = tuple[tuple[str, str], ...]


@pytest.fixture
async def mortal(services_folder: Path) -> AsyncIterator[tuple[Postgres, Child]]:
    """A migrated PostgreSQL of the test's own, and its process."""
    folder = Path(tempfile.mkdtemp(dir=services_folder))
    folder.chmod(0o711)
    async with running_postgres(folder) as (server, child):
        await upgrade(server.dsn())
        yield server, child


@contextlib.asynccontextmanager
async def catalogue(server: Postgres, settings: Settings) -> AsyncIterator[CatalogServiceStub]:
    """A running server over this PostgreSQL; no retries on the way."""
    over_it = settings.model_copy(update={"postgres_dsn": SecretStr(server.dsn())})
    no_retries = [("grpc.enable_retries", 0)]
    async with (
        hosted(over_it, metrics=RpcMetrics(CollectorRegistry())) as host,
        grpc.aio.insecure_channel(f"127.0.0.1:{host.port}", options=no_retries) as channel,
    ):
        yield CatalogServiceStub(channel)


async def test_cut_connections_cost_no_error(
    mortal: tuple[Postgres, Child], settings: Settings, as_admin: Metadata
) -> None:
    """After a restart of PostgreSQL the pooled connections are dead; no caller notices."""
    server, _ = mortal
    async with catalogue(server, settings) as stub:
        await stub.ListProducts(ListProductsRequest(), metadata=as_admin)
        operator = await asyncpg.connect(server.dsn("postgres"))
        await operator.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1 AND pid <> $2",
            "millrace",
            operator.get_server_pid(),
        )
        await operator.close()
        await stub.ListProducts(ListProductsRequest(), metadata=as_admin)


async def test_a_killed_postgres_is_unavailable_until_it_is_back(
    mortal: tuple[Postgres, Child], settings: Settings, as_admin: Metadata, tmp_path: Path
) -> None:
    """UNAVAILABLE with a time to wait while it is away; service resumes by itself."""
    server, child = mortal
    async with catalogue(server, settings) as stub:
        await stub.ListProducts(ListProductsRequest(), metadata=as_admin)
        child.kill()
        await child.wait()
        for _ in range(3):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.ListProducts(ListProductsRequest(), metadata=as_admin)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            assert error_from_rpc(refused.value).reason == "STORE_UNAVAILABLE"
            assert error_from_rpc(refused.value).retry_after_seconds == 1
        async with running(server.child(tmp_path / "postgres.log", FAST), timeout=30):
            await stub.ListProducts(ListProductsRequest(), metadata=as_admin)


async def test_waiting_for_a_postgres_that_never_comes_ends(unused_port: int) -> None:
    """After its patience the process gives up with the reason."""
    engine = make_engine(f"postgresql://nobody:nothing@127.0.0.1:{unused_port}/none")
    try:
        with pytest.raises(OSError, match=str(unused_port)):
            await wait_until_reachable(engine, patience=0.3)
    finally:
        await engine.dispose()
