"""What happens before anybody's handler: HTTP itself, health, errors, limits, and stopping."""

import asyncio
import re
import socket

import pytest

from edge import redirects
from edge.health import Health
from tests.contract.edge.link_server import LinkServer
from tests.contract.edge.running_edge import Edge, running_edge


def request(path: str, *headers: str, version: str = "1.1") -> bytes:
    lines = [f"GET {path} HTTP/{version}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def statuses(answers: bytes) -> list[bytes]:
    return re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)


CLOSE = ("Host: a.example", "Connection: close", "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/132.0")


async def test_health(edge: Edge) -> None:
    """Alive, and ready with each dependency's state."""
    live, ready = await edge.get("/healthz"), await edge.get("/readyz")
    assert (live.status, ready.status) == (200, 200)
    assert (await ready.json())["dependencies"] == {
        "redis": "up",
        "server": "up",
        "streams": "up",
        "spool": "up",
    }


async def test_everything_else_is_the_gateways(edge: Edge) -> None:
    """A path that nobody knows is a problem document with the request's id and our headers."""
    response = await edge.get("/api/v1/nothing", X_Request_Id="request-0001")
    document = await response.json(content_type=None)
    assert response.status == 404
    assert response.content_type == "application/problem+json"
    assert document["instance"] == response.headers["X-Request-Id"] == "request-0001"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in response.headers


async def test_an_rpc_goes_through(edge: Edge) -> None:
    """The gateway reaches the server, whose refusal comes back as a problem."""
    response = await edge.get("/api/v1/affiliate/program")
    assert response.status == 501
    assert (await response.json(content_type=None))["code"] == "UNIMPLEMENTED"


@pytest.mark.parametrize("path", ["/l/shoe22", "/healthz"])
@pytest.mark.parametrize(
    "headers",
    [(), ("Host: a.example", "Host: b.example"), ("Host: a b",), ("Host: a@b",)],
    ids=["none", "two", "blank", "user"],
)
async def test_exactly_one_valid_host(edge: Edge, path: str, headers: tuple[str, ...]) -> None:
    """Anything else is 400 and ends the connection."""
    answer = await edge.raw(request(path, *headers))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03<script>\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n<script>alert(1)</script>\r\n\r\n",
        b"GET /l/shoe22 HTTP/1.1\r\nHost: a\r\nContent-Length: x<script>\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"<script>" * 4_000 + b"\r\n\r\n",
    ],
)
async def test_garbage_is_answered_without_echo(edge: Edge, garbage: bytes) -> None:
    """A problem document that says nothing of what was sent, then the end; counted."""
    answer = await edge.raw(garbage)
    assert answer[:12] in {b"HTTP/1.1 400", b"HTTP/1.1 414", b"HTTP/1.1 431"}
    assert b"application/problem+json" in answer
    assert b"script" not in answer
    assert b"aaaa" not in answer
    kinds = ("malformed", "long_target", "large_head")
    assert sum([await edge.metric("millrace_edge_refused_total", reason=kind) for kind in kinds]) == 1


@pytest.mark.parametrize("version", ["0.9", "2.0"])
async def test_other_versions_of_http(edge: Edge, version: str) -> None:
    """HTTP/1.0 and 1.1 are spoken."""
    answer = await edge.raw(request("/l/shoe22", *CLOSE, version=version))
    assert answer[9:12] in {b"400", b"505"}


async def test_http_1_0(edge: Edge) -> None:
    """One request and the end, or more if the client asks for it."""
    once = await edge.raw(request("/l/shoe22", version="1.0"))
    assert once.startswith(b"HTTP/1.1 302 ")
    assert b"Connection: close" in once
    twice = await edge.raw(
        request("/l/shoe22", "Connection: keep-alive", version="1.0") + request("/l/shoe22", version="1.0")
    )
    assert twice.count(b"HTTP/1.1 302 ") == 2


async def test_pipelined_requests_are_answered_in_order(edge: Edge) -> None:
    """Links, the application and again links on one connection."""
    answer = await edge.raw(
        request("/l/shoe22", "Host: a")
        + request("/l/nowhere", "Host: a")
        + request("/healthz", "Host: a")
        + request("/l/shoe22", *CLOSE)
    )
    assert statuses(answer) == [b"302", b"404", b"200", b"302"]


async def test_a_body_is_read_and_ignored(edge: Edge) -> None:
    """It does not become the next request."""
    body = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    sent = (
        request("/l/shoe22", "Host: a", f"Content-Length: {len(body)}") + body + request("/l/shoe22", *CLOSE)
    )
    answer = await edge.raw(sent)
    assert statuses(answer) == [b"302", b"302"]


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/nothing", "http://a.example"])
async def test_an_expectation_nobody_can_meet_is_refused_without_echo(edge: Edge, path: str) -> None:
    """The only one there is, 100-continue, is met."""
    answer = await edge.raw(request(path, "Expect: secret-wish", *CLOSE))
    assert statuses(answer) == [b"417"]
    assert b"application/problem+json" in answer
    assert b"secret-wish" not in answer
    assert b"417" not in statuses(await edge.raw(request(path, "Expect: 100-Continue", *CLOSE)))


@pytest.mark.parametrize("coding", ["br", "zstd", "compress"])
async def test_an_unknown_coding_of_a_body_is_415(edge: Edge, coding: str) -> None:
    """Whether aiohttp has heard of it or not."""
    head = request(
        "/api/v1/affiliate/links",
        "Content-Type: application/json",
        f"Content-Encoding: {coding}",
        "Content-Length: 2",
        *CLOSE,
    )
    answer = await edge.raw(head.replace(b"GET", b"POST") + b"{}")
    assert statuses(answer) == [b"415"]
    assert b"Accept-Encoding: gzip" in answer


async def test_an_absolute_target(edge: Edge) -> None:
    """A proxy's client writes one."""
    answer = await edge.raw(request("http://a.example/l/shoe22", *CLOSE))
    assert answer.startswith(b"HTTP/1.1 302 ")


async def test_too_many_connections_of_one_address(redis_url: str, link_server: LinkServer) -> None:
    """The one too many is closed, others are not; when one leaves there is room again."""
    async with running_edge(
        redis_url, link_server.port, max_connections_per_address=2, trusted_proxies=()
    ) as edge:
        host, port = edge.address.split(":")
        opened = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
        assert await edge.raw(request("/l/shoe22", *CLOSE)) == b""
        opened[0][1].close()
        await opened[0][1].wait_closed()
        async with asyncio.timeout(5):
            while not (await edge.raw(request("/l/shoe22", *CLOSE))).startswith(b"HTTP/1.1 302"):
                await asyncio.sleep(0.02)
        opened[1][1].close()


async def test_an_inherited_socket_is_shared(redis_url: str, link_server: LinkServer) -> None:
    """Two edges take connections from one socket; when one stops, the other serves on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with running_edge(redis_url, link_server.port, edge_fd=socket.dup(listening.fileno())) as first:
            async with running_edge(redis_url, link_server.port, edge_fd=socket.dup(listening.fileno())):
                assert (await first.get("/healthz")).status == 200
            for _ in range(20):
                answer = await first.raw(request("/l/shoe22", *CLOSE))
                assert answer.startswith(b"HTTP/1.1 302 ")


async def test_a_bug_in_the_redirect_says_nothing_of_the_inside(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 as a problem document, counted; the connection and the edge go on."""

    def broken(_: object) -> None:
        raise RuntimeError("the inside")

    with monkeypatch.context() as patched:
        patched.setattr(redirects, "classify", broken)
        response = await edge.get("/l/shoe22")
    assert response.status == 500
    assert response.content_type == "application/problem+json"
    assert "inside" not in await response.text()
    assert await edge.metric("millrace_edge_unforeseen_errors_total", where="handler") == 1
    assert (await edge.get("/l/shoe22")).status == 302


async def test_a_bug_in_the_application_says_nothing_of_the_inside(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 as a problem document with the request's id."""

    async def broken(_: object) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr(Health, "live", broken)
    response = await edge.get("/healthz", X_Request_Id="request-0001")
    assert response.status == 500
    assert (await response.json(content_type=None))["instance"] == "request-0001"
    assert "inside" not in await response.text()


async def test_the_services_learn_who_the_client_is(edge: Edge, link_server: LinkServer) -> None:
    """The address that our proxy saw, and none that a client made up."""
    await edge.get("/api/v1/affiliate/program", visitor="6.6.6.6, 198.51.100.7")
    assert link_server.clients == {"198.51.100.7"}


async def test_a_stranger_cannot_say_who_it_is(redis_url: str, link_server: LinkServer) -> None:
    """What it claims of itself is not passed on: the services hear of the address that it has."""
    claims = {
        "X_Forwarded_For": "6.6.6.6",
        "X_Forwarded_Host": "evil.example",
        "X_Real_IP": "6.6.6.6",
        "Forwarded": "for=6.6.6.6",
    }
    async with running_edge(redis_url, link_server.port, trusted_proxies=()) as edge:
        await edge.get("/api/v1/affiliate/program", visitor="6.6.6.6", **claims)
    assert link_server.clients == {"127.0.0.1"}
    assert not any("6.6.6.6" in value or "evil" in value for value in link_server.heard)


async def test_routes_are_measured_by_name(edge: Edge) -> None:
    """Rate, errors and duration by route, never by path."""
    for path in ("/l/shoe22", "/l/nowhere", "/api/v1/nothing", "/api/v1/else", "/healthz"):
        await edge.get(path)
    requests = "millrace_edge_requests_total"
    assert await edge.metric(requests, route="/l/{code}", status="302") == 1
    assert await edge.metric(requests, route="/l/{code}", status="404") == 1
    assert await edge.metric(requests, route="/{tail}", status="404") == 2
    assert await edge.metric(requests, route="/healthz", status="200") == 1
