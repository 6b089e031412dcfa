"""Scripts of other origins: only those that an operator named."""

from collections.abc import AsyncIterator

import pytest

from tests.contract.edge.link_server import LinkServer
from tests.contract.edge.raw_client import HOST, LINKS, RawAnswer, ask_once, request
from tests.contract.edge.running_edge import Edge, running_edge

SHOP = "https://shop.example"
PREFLIGHT = ("Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization")
LIST = f"{LINKS}?pageSize=1"


@pytest.fixture(scope="module")
async def subject(redis_server_url: str, shared_server: LinkServer) -> AsyncIterator[Edge]:
    """An edge that lets two origins in."""
    async with running_edge(
        redis_server_url, shared_server.port, prefix="cors", cors_origins=f"{SHOP}, http://localhost:3000"
    ) as edge:
        yield edge


@pytest.fixture(scope="module")
async def open_to_all(redis_server_url: str, shared_server: LinkServer) -> AsyncIterator[Edge]:
    """An edge that lets anyone read, and one origin as itself."""
    async with running_edge(
        redis_server_url, shared_server.port, prefix="open", cors_origins=f"*, {SHOP}"
    ) as edge:
        yield edge


async def ask(edge: Edge, target: str, *headers: str, method: str = "GET") -> RawAnswer:
    return await ask_once(edge.address, request(target, HOST, *headers, method=method))


def cors_of(answer: RawAnswer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control")}


@pytest.mark.parametrize("origin", [SHOP, "http://localhost:3000"])
async def test_a_named_origin_may_read(subject: Edge, origin: str) -> None:
    """With credentials, and the headers that programs need."""
    answer = await ask(subject, LIST, f"Origin: {origin}")
    assert answer.status == 200
    assert cors_of(answer) == {
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "ETag, Retry-After, X-Request-Id",
    }
    assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://shop.example.evil.example",
        "http://shop.example",
        "null",
        "HTTPS://SHOP.EXAMPLE",
    ],
)
async def test_a_stranger_is_told_nothing(subject: Edge, origin: str) -> None:
    """The answer is the ordinary one, which a browser keeps from the script; caches keep the two apart."""
    for answer in (
        await ask(subject, LIST, f"Origin: {origin}"),
        await ask(subject, LINKS, f"Origin: {origin}", *PREFLIGHT, method="OPTIONS"),
    ):
        assert cors_of(answer) == {}
        assert "Origin" in answer.headers["vary"]


async def test_the_answer_without_an_origin_varies_too(subject: Edge) -> None:
    """Else a cache would give it to a script."""
    assert "Origin" in (await ask(subject, LIST)).headers["vary"]


async def test_a_preflight(subject: Edge) -> None:
    """204 with the methods of the path and the headers that may be sent."""
    answer = await ask(subject, LINKS, f"Origin: {SHOP}", *PREFLIGHT, method="OPTIONS")
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert {"GET", "POST"} <= set(answer.headers["access-control-allow-methods"].split(", "))
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "content-type", "idempotency-key", "if-none-match"} <= set(allowed)
    assert int(answer.headers["access-control-max-age"]) > 0


async def test_a_preflight_for_a_path_that_does_not_exist(subject: Edge) -> None:
    """Is 404, which a browser takes for a no."""
    answer = await ask(subject, "/api/v1/nothing", f"Origin: {SHOP}", *PREFLIGHT, method="OPTIONS")
    assert answer.status == 404


async def test_a_script_may_read_a_refusal(subject: Edge) -> None:
    """Its program wants to know what was wrong."""
    answer = await ask(subject, "/api/v1/nothing", f"Origin: {SHOP}")
    assert answer.status == 404
    assert answer.headers["access-control-allow-origin"] == SHOP


async def test_only_the_interface_is_shared(subject: Edge) -> None:
    """Health and links are no script's business."""
    for target in ("/healthz", "/l/shoe22"):
        assert cors_of(await ask(subject, target, f"Origin: {SHOP}")) == {}


async def test_anyone_reads_without_credentials(open_to_all: Edge) -> None:
    """Never `*` with them; who is named still has them."""
    anyone = cors_of(await ask(open_to_all, LIST, "Origin: https://other.example"))
    assert anyone["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in anyone
    named = cors_of(await ask(open_to_all, LIST, f"Origin: {SHOP}"))
    assert named["access-control-allow-origin"] == SHOP
    assert named["access-control-allow-credentials"] == "true"


async def test_nobody_by_default(shared_edge: Edge) -> None:
    """An edge that was told no origin says nothing of them."""
    answer = await ask(shared_edge, LIST, f"Origin: {SHOP}")
    assert cors_of(answer) == {}
    assert "vary" not in answer.headers
