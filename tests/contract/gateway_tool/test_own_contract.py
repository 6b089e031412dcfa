"""The tool serves Millrace's own contract before a real server, and answers as the edge does."""

from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.auth.principal import Role
from tests.contract.conftest import Mint
from tests.contract.edge.running_edge import running_edge
from tests.contract.gateway_tool.tool_process import Reply, Tool, running_tool

IMAGE = Path(str(files("millrace"))) / "contract.binpb"
PRODUCT = {
    "productId": "mug-1",
    "name": "Mühlenbecher",
    "variants": [{"sku": "MUG", "price": "1250", "currency": "EUR"}],
    "attributes": [{"name": "colour", "value": "red"}],
}
PRODUCTS = "/api/v1/catalog/products"


@pytest.fixture
async def edge_and_tool(
    grpc_target: str, redis_url: str, redis_prefix: str
) -> AsyncIterator[tuple[Tool, Tool]]:
    """The edge and the tool before one server, asked in one way."""
    port = int(grpc_target.rpartition(":")[2])
    async with (
        running_edge(redis_url, port, prefix=redis_prefix) as edge,
        running_tool(IMAGE, grpc_target, "--watch-health", "--trusted-proxies=127.0.0.0/8") as tool,
        aiohttp.ClientSession() as http,
    ):
        yield Tool(tool.process, edge.address, http), tool


REQUESTS: list[tuple[str, str, dict[str, Any], int]] = [
    ("POST", PRODUCTS, {"json": PRODUCT}, 200),
    ("GET", f"{PRODUCTS}/mug-1", {}, 200),
    ("GET", f"{PRODUCTS}?pageSize=1", {}, 200),
    ("GET", f"{PRODUCTS}/none", {}, 404),
    ("GET", f"{PRODUCTS}?pageSize=-1", {}, 400),
    ("GET", f"{PRODUCTS}?nope=1", {}, 400),
    ("POST", PRODUCTS, {"json": {"name": ""}}, 400),
    ("POST", PRODUCTS, {"json": {"name": 1}}, 400),
    ("POST", f"{PRODUCTS}:batchUpsert", {"json": {"products": [PRODUCT]}}, 200),
    ("PUT", PRODUCTS, {"json": {}}, 405),
    ("GET", "/api/v1/affiliate/links/none", {}, 400),
    ("GET", "/api/v1/affiliate/program", {"headers": {}}, 401),
    ("GET", "/api/v2", {}, 404),
]


async def test_edge_and_tool_answer_alike(edge_and_tool: tuple[Tool, Tool], mint: Mint) -> None:
    """Status, media type and every member of the body but the request's id."""
    headers = {"Authorization": f"Bearer {mint(Role.ADMIN)}"}
    edge, tool = edge_and_tool
    for method, path, options, status in REQUESTS:
        asked = {"headers": headers} | options
        replies = await edge.ask(method, path, **asked), await tool.ask(method, path, **asked)
        assert [reply.status for reply in replies] == [status, status], (method, path, replies)
        assert _comparable(replies[0]) == _comparable(replies[1])


def _comparable(reply: Reply) -> tuple[str, Any]:
    body = reply.json
    return reply.headers["Content-Type"], {name: body[name] for name in body if name != "instance"}
