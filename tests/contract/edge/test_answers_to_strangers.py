"""What every answer carries, and what health and readiness tell and do not tell."""

import asyncio

import pytest

from edge.health import Health
from tests.contract.edge.link_server import LinkServer
from tests.contract.edge.raw_client import HOST, LINKS, ask_once, post, raw_client, request
from tests.contract.edge.running_edge import Edge, running_edge

NOSNIFF = "x-content-type-options"
ANSWERS = {
    "redirect": request("/l/shoe22", HOST),
    "no link": request("/l/nowhere", HOST),
    "page": request("/l/nowhere", HOST, "Accept: text/html"),
    "health": request("/healthz", HOST),
    "list": request(f"{LINKS}?pageSize=1", HOST),
    "creation": post(b"{}"),
    "refused field": post(b'{"nothing": 1}'),
    "no path": request("/api/v1/nothing", HOST),
    "wrong method": request(LINKS, HOST, method="DELETE"),
    "options": request(LINKS, HOST, method="OPTIONS"),
    "server options": request("*", HOST, method="OPTIONS"),
    "documents": request("/api/docs", HOST),
    "malformed": request("/", HOST, "x y"),
    "no host": request("/"),
    "version": request("/", HOST, version="2.0"),
    "method": request("/", HOST, method="FOO"),
}


@pytest.mark.parametrize("sent", ANSWERS.values(), ids=ANSWERS.keys())
async def test_headers_of_every_answer(shared_edge: Edge, sent: bytes) -> None:
    """No sniffing, no banner, a request id, and a word on caching."""
    answer = await ask_once(shared_edge.address, sent)
    assert answer.headers[NOSNIFF] == "nosniff"
    assert answer.headers["x-request-id"]
    assert "server" not in answer.headers
    assert "x-powered-by" not in answer.headers
    if answer.status != 204 or sent is not ANSWERS["server options"]:
        assert "cache-control" in answer.headers
    if answer.status >= 400:
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", ["page", "documents"])
async def test_a_page_may_do_nothing_that_it_need_not(shared_edge: Edge, name: str) -> None:
    """No outside source, no frame around it, no referrer."""
    answer = await ask_once(shared_edge.address, ANSWERS[name])
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy
    assert "unsafe" not in policy
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_can_only_be_read(shared_edge: Edge, path: str) -> None:
    """GET and HEAD; OPTIONS says so, and so does the refusal of anything else."""
    async with raw_client(shared_edge.address) as client:
        got = await client.ask(request(path, HOST))
        told = await client.ask(request(path, HOST, method="HEAD"), to_head=True)
        asked = await client.ask(request(path, HOST, method="OPTIONS"))
        refused = await client.ask(request(path, HOST, "Content-Length: 0", method="POST"))
    assert (got.status, told.status, asked.status, refused.status) == (200, 200, 204, 405)
    assert told.headers["content-length"] == str(len(got.body))
    assert asked.headers["allow"] == refused.headers["allow"] == "GET, HEAD, OPTIONS"
    assert refused.is_problem


async def test_readiness_says_nothing_of_the_inside(
    redis_url: str, link_server: LinkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up, slow or down; what went wrong is for the log."""

    async def broken() -> str:
        raise RuntimeError("10.0.0.7 went away")

    made = Health.__init__

    def make(self: Health, *_: object, **options: object) -> None:
        made(self, {"redis": broken, "server": broken}, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Health, "__init__", make)
    async with running_edge(redis_url, link_server.port) as edge:
        answer = await ask_once(edge.address, request("/readyz", HOST))
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.document == {
        "status": "unready",
        "dependencies": {"redis": "down", "server": "down", "streams": "up", "spool": "up"},
    }


async def test_every_503_says_when_to_come_back(redis_url: str, link_server: LinkServer) -> None:
    """Also the translator's, when nobody serves behind it."""
    async with running_edge(redis_url, link_server.port) as edge:
        await link_server.stop()
        async with asyncio.timeout(10):
            answer = await ask_once(edge.address, request(f"{LINKS}?pageSize=1", HOST), within=10)
    assert answer.status == 503
    assert answer.is_problem
    assert int(answer.headers["retry-after"]) >= 1
