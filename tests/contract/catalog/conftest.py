"""A catalogue over a real PostgreSQL, by its service and by its RPCs."""

from collections.abc import AsyncIterator

import grpc
import pytest

from millrace.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from server.catalog.service import CatalogService
from server.db.engine import make_engine, make_sessions


@pytest.fixture
async def service(postgres_dsn: str) -> AsyncIterator[CatalogService]:
    """The service over an empty catalogue."""
    engine = make_engine(postgres_dsn, pool_size=8)
    yield CatalogService(make_sessions(engine))
    await engine.dispose()


@pytest.fixture
def subject(channel: grpc.aio.Channel) -> CatalogServiceStub:
    """The stub of a running server over an empty catalogue."""
    return CatalogServiceStub(channel)
