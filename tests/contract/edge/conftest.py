"""An edge with a real Valkey behind it and a real gRPC server that resolves links."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis
from tests.contract.edge.link_server import LinkServer
from tests.contract.edge.running_edge import Edge, running_edge
from tests.contract.streams.own_valkey import OwnValkey


@pytest.fixture
async def link_server() -> AsyncIterator[LinkServer]:
    """A server that knows one ordinary link, `shoe22`."""
    async with LinkServer() as server:  # type: ignore[abstract] # the other methods answer UNIMPLEMENTED
        server.add("shoe22")
        yield server


@pytest.fixture(scope="module")
async def shared_server() -> AsyncIterator[LinkServer]:
    """A server like `link_server`, for a whole module."""
    async with LinkServer() as server:  # type: ignore[abstract] # the other methods answer UNIMPLEMENTED
        server.add("shoe22")
        yield server


@pytest.fixture(scope="module")
async def shared_edge(redis_server_url: str, shared_server: LinkServer) -> AsyncIterator[Edge]:
    """A running edge for all the tests of a module: for what leaves no trace but in metrics."""
    async with running_edge(redis_server_url, shared_server.port, prefix="shared") as running:
        yield running


@pytest.fixture
def keys(redis_prefix: str) -> StreamKeys:
    """The keys of the edge under test."""
    return StreamKeys(redis_prefix)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[PipeliningRedis]:
    """A patient client of the session's Valkey."""
    async with await PipeliningRedis.open(redis_url, timeout=5.0) as client:
        yield client


@pytest.fixture
async def edge(redis_url: str, redis_prefix: str, link_server: LinkServer) -> AsyncIterator[Edge]:
    """A running edge."""
    async with running_edge(redis_url, link_server.port, prefix=redis_prefix) as running:
        yield running


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[OwnValkey]:
    """A Valkey of the test's own, to be frozen and killed."""
    with OwnValkey(tmp_path) as server:
        yield server
