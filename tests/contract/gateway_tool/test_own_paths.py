"""The gateway's own paths beside those of the contract."""

import asyncio
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from edge.gateway.descriptor_sets import read_contract
from edge.gateway.own_paths import free_paths
from tests.contract.gateway_tool.contracts import compiled_text
from tests.contract.gateway_tool.tool_process import Tool, running_tool

TAKEN = '{get: "/api/docs"}'
OWN = ["/healthz", "/readyz"]


def _contract(rule: str) -> str:
    return f"""
    syntax = "proto3";
    package a;
    import "google/api/annotations.proto";
    message M {{ string id = 1; }}
    service S {{ rpc Do(M) returns (M) {{ option (google.api.http) = {rule}; }} }}
    """


@pytest.mark.parametrize(
    ("rule", "free"),
    [
        ('{get: "/healthz"}', ["/readyz"]),
        ('{post: "/readyz" body: "*"}', ["/healthz"]),
        ('{get: "/{id}"}', OWN),
        ('{get: "/{id=**}"}', OWN),
        ('{get: "/{id=readyz}"}', ["/healthz"]),
        ('{get: "/healthz:deep"}', OWN),
        ('{get: "/healthz/deep"}', OWN),
    ],
)
def test_only_a_rule_that_spells_the_path_out_takes_it(rule: str, free: list[str], tmp_path: Path) -> None:
    """The most specific template answers, as everywhere; between equals, the contract."""
    contract = read_contract([compiled_text(_contract(rule), tmp_path)])
    assert free_paths(OWN, contract.routes) == free


async def test_the_contract_is_documented_as_openapi(subject: Tool) -> None:
    """A public validator finds no fault with it; its words are the comments of the contract."""
    reply = await subject.get("/api/openapi.json")
    assert list(OpenAPIV31SpecValidator(reply.json).iter_errors()) == []
    assert reply.json["info"] == {"title": "shelf.v1", "version": "v1"}
    assert reply.json["paths"]["/v1/books:fail"]["post"]["summary"].startswith("Fails with the code")


async def test_the_documents_page_is_served(subject: Tool) -> None:
    """With everything that it needs, from here."""
    reply = await subject.get("/api/docs")
    assert reply.status == 200
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("rule", "options", "document", "page"),
    [('{get: "/other"}', ["--no-docs"], 404, 404), (TAKEN, [], 404, 503)],
)
async def test_documents_that_are_not_wanted_are_not_served(
    rule: str, options: list[str], document: int, page: int, tmp_path: Path
) -> None:
    """Because they were switched off, or because the contract has a rule for one of their paths."""
    image = compiled_text(_contract(rule), tmp_path)
    async with running_tool(image, "127.0.0.1:1", *options) as tool:
        replies = await tool.get("/api/openapi.json"), await tool.get("/api/docs")
    assert [reply.status for reply in replies] == [document, page]


async def test_the_gateway_says_that_it_lives_and_that_its_upstream_is_there(subject: Tool) -> None:
    """Two paths to be read, as at the edge."""
    live, ready = await asyncio.gather(subject.get("/healthz"), subject.get("/readyz"))
    assert (await subject.post("/readyz", {})).status == 405
    assert (live.status, live.json) == (200, {"status": "alive"})
    assert (ready.status, ready.json) == (200, {"status": "ready", "dependencies": {"upstream": "up"}})
