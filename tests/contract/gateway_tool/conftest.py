"""The tool before a real gRPC server whose contract it knows only from a compiled file."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.gateway_tool.contracts import compiled
from tests.contract.gateway_tool.shelf_server import ShelfServer
from tests.contract.gateway_tool.tool_process import Tool, running_tool


@pytest.fixture(scope="session")
def shelf_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled contract of `shelf.proto`."""
    return compiled("shelf.proto", tmp_path_factory.mktemp("contracts"))


@pytest.fixture(scope="session")
async def shelf_server(shelf_image: Path) -> AsyncIterator[ShelfServer]:
    """An upstream for the whole session."""
    async with ShelfServer(shelf_image) as server:
        yield server


@pytest.fixture(scope="session")
async def subject(shelf_image: Path, shelf_server: ShelfServer) -> AsyncIterator[Tool]:
    """The tool before it, for all tests that neither stop nor slow it."""
    async with running_tool(
        shelf_image,
        f"127.0.0.1:{shelf_server.port}",
        "--deadline=5",
        "--forward-header=X-Api-Key",
        "--forward-header=Authorization",
        "--trusted-proxies=127.0.0.0/8",
    ) as tool:
        yield tool
