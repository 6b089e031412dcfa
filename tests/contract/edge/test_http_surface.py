"""HTTP itself: versions, methods, forms of the target, hosts, expectations, upgrades."""

import pytest

from tests.contract.edge.link_server import LinkServer
from tests.contract.edge.raw_client import HOST, LINKS, ask_once, post, raw_client, refused, request
from tests.contract.edge.running_edge import Edge

LINK = "/l/shoe22"
# A head that announces `{}` and waits to be told to send it.
AWAITING = post(b"{}", "Expect: 100-continue")[:-2]


@pytest.mark.parametrize("version", ["0.9", "1.2", "1.9", "2.0", "3.0"])
@pytest.mark.parametrize("path", [LINK, "/healthz"])
async def test_other_versions(shared_edge: Edge, path: str, version: str) -> None:
    """HTTP/1.0 and 1.1 are spoken; the others are refused by name."""
    answer = await refused(shared_edge.address, request(path, HOST, version=version))
    assert (answer.status, answer.is_problem) == (505, True)


async def test_the_preface_of_http_2(shared_edge: Edge) -> None:
    """A client with prior knowledge learns that it was wrong."""
    answer = await refused(shared_edge.address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
    assert (answer.status, answer.is_problem) == (505, True)


@pytest.mark.parametrize(
    "greeting",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", b"SSH-2.0-OpenSSH_9\r\n", b"GET / HTTP/11\r\n"],
)
async def test_another_protocol(shared_edge: Edge, greeting: bytes) -> None:
    """Is told 400 in HTTP, and let go."""
    answer = await refused(shared_edge.address, greeting)
    assert (answer.status, answer.is_problem) == (400, True)


@pytest.mark.parametrize("host", ["a b", "a@b", "", "a,b", "a/b", "a:99999", "a:b", "[::1", "a\\b", "a%00b"])
@pytest.mark.parametrize("path", [LINK, "/healthz"])
async def test_an_invalid_host(shared_edge: Edge, path: str, host: str) -> None:
    """400, and the end."""
    answer = await refused(shared_edge.address, request(path, f"Host: {host}"))
    assert (answer.status, answer.is_problem) == (400, True)


@pytest.mark.parametrize(
    "headers", [(), (HOST, HOST), (HOST, "Host: b.example")], ids=["none", "same", "two"]
)
async def test_any_number_of_hosts_but_one(shared_edge: Edge, headers: tuple[str, ...]) -> None:
    """HTTP/1.1 wants exactly one."""
    answer = await refused(shared_edge.address, request("/healthz", *headers))
    assert answer.status == 400


@pytest.mark.parametrize(
    "host", ["a.example", "a.example:8080", "127.0.0.1", "[::1]:80", "xn--bcher-kva.example"]
)
async def test_a_valid_host(shared_edge: Edge, host: str) -> None:
    """A name or an address, with or without a port."""
    assert (await ask_once(shared_edge.address, request("/healthz", f"Host: {host}"))).status == 200


@pytest.mark.parametrize("method", ["FOO", "get", "M-SEARCH2", "G3T"])
async def test_a_method_that_nobody_knows(shared_edge: Edge, method: str) -> None:
    """501, without echo."""
    answer = await refused(shared_edge.address, request("/healthz", HOST, method=method))
    assert (answer.status, answer.is_problem) == (501, True)
    assert method.encode() not in answer.body


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "PUT", "DELETE"])
@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/healthz", "GET, HEAD, OPTIONS"),
        ("/api/v1/affiliate/program", "GET, HEAD, OPTIONS, PATCH"),
        (LINK, "GET, HEAD"),
    ],
)
async def test_a_method_that_the_path_does_not_take(
    shared_edge: Edge, path: str, allowed: str, method: str
) -> None:
    """405 and what it does take; nothing of the request comes back."""
    answer = await ask_once(shared_edge.address, request(path, HOST, "X-Secret: hidden", method=method))
    assert (answer.status, answer.is_problem) == (405, True)
    assert set(answer.headers["allow"].split(", ")) == set(allowed.split(", "))
    assert b"hidden" not in answer.body


async def test_options_of_the_whole_server(shared_edge: Edge) -> None:
    """204 and every method that some path takes; the connection goes on."""
    async with raw_client(shared_edge.address) as client:
        answer = await client.ask(request("*", HOST, method="OPTIONS"))
        assert answer.status == 204
        assert {"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"} <= set(
            answer.headers["allow"].split(", ")
        )
        assert (await client.ask(request("/healthz", HOST))).status == 200


async def test_an_asterisk_is_no_path(shared_edge: Edge) -> None:
    """Only OPTIONS can ask for it."""
    assert (await refused(shared_edge.address, request("*", HOST))).status == 400


async def test_a_connect_to_nowhere(shared_edge: Edge) -> None:
    """The parser makes no target of it; it is refused all the same, and nobody is kept waiting."""
    answer = await refused(shared_edge.address, b"CONNECT  \r\nHost: a.example\r\n\r\n")
    assert answer.status >= 400
    assert answer.is_problem


@pytest.mark.parametrize("target", ["b.example:443", "/", "b.example"])
async def test_nobody_is_connected_through(shared_edge: Edge, target: str) -> None:
    """CONNECT is refused, and what the client sends on is not taken for a request."""
    async with raw_client(shared_edge.address) as client:
        answer = await client.ask(request(target, HOST, method="CONNECT") + request("/healthz", HOST))
        assert answer.status in {400, 501}
        assert answer.closes
        assert b"HTTP" not in await client.rest(within=6.0)


@pytest.mark.parametrize("path", [LINK, "/healthz"])
async def test_an_absolute_target(shared_edge: Edge, path: str) -> None:
    """What a proxy's client writes is understood."""
    answer = await ask_once(shared_edge.address, request(f"http://b.example{path}", HOST))
    assert answer.status in {200, 302}


@pytest.mark.parametrize("target", ["http://b.example", "http://b.example?a=b", "http://b.example:80"])
async def test_an_absolute_target_without_a_path(shared_edge: Edge, target: str) -> None:
    """It asks for `/`, where there is nothing."""
    async with raw_client(shared_edge.address) as client:
        answer = await client.ask(request(target, HOST))
        assert (answer.status, answer.document["detail"]) == (404, "There is nothing at this path.")
        assert (await client.ask(request("/healthz", HOST))).status == 200


@pytest.mark.parametrize("expectation", ["x", "100-continue, x"])
async def test_nobody_waits_for_a_body_behind_a_refused_expectation(
    shared_edge: Edge, expectation: str
) -> None:
    """The connection ends at once: the client sends nothing before it is told to."""
    sent = post(b"{}", f"Expect: {expectation}")[:-2]
    async with raw_client(shared_edge.address) as client:
        assert (await client.ask(sent)).status == 417
        assert await client.rest(within=1.0) == b""


@pytest.mark.parametrize(
    "target",
    [
        "http:///healthz",
        "http://user:secret@b.example/healthz",
        "http://b.example:99999/healthz",
        "http://b.example:x/healthz",
        "http://[::1/healthz",
        "ftp://b.example/healthz",
        "javascript:alert(1)",
        "/healthz#fragment",
        "http://b.example/healthz#fragment",
    ],
)
async def test_a_target_that_is_none(shared_edge: Edge, target: str) -> None:
    """400: not http, with credentials, a fragment, or no authority that exists."""
    answer = await refused(shared_edge.address, request(target, HOST))
    assert (answer.status, answer.is_problem) == (400, True)


@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "tcp"])
@pytest.mark.parametrize("body", [b"", b"{}"], ids=["bare", "body"])
async def test_an_upgrade_is_ignored(shared_edge: Edge, upgrade: str, body: bytes) -> None:
    """The request is served as it is, and the connection ends: what follows might not be HTTP/1.1."""
    headers = ("Connection: Upgrade, HTTP2-Settings", f"Upgrade: {upgrade}", "HTTP2-Settings: AAMAAABk")
    asked = post(body, *headers) if body else request("/healthz", HOST, *headers)
    answer = await refused(shared_edge.address, asked + request("/healthz", HOST))
    assert answer.status == 200


async def test_an_expected_continue_comes_before_the_answer(shared_edge: Edge) -> None:
    """Once the route wants the body, the client is told to send it."""
    async with raw_client(shared_edge.address) as client:
        assert (await client.ask(AWAITING)).status == 100
        assert (await client.ask(b"{}")).status == 200
        assert (await client.ask(request("/healthz", HOST))).status == 200


@pytest.mark.parametrize(
    ("status", "head"),
    [
        (
            404,
            post(b"", "Expect: 100-continue", target="/api/v1/nothing").replace(b"Length: 0", b"Length: 2"),
        ),
        (413, post(b"", "Expect: 100-continue").replace(b"Length: 0", b"Length: 9999999")),
        (
            415,
            post(b"", "Expect: 100-continue").replace(b"Length: 0", b"Length: 2").replace(b"/json", b"/xml"),
        ),
    ],
)
async def test_a_body_that_nobody_wants_is_not_asked_for(shared_edge: Edge, status: int, head: bytes) -> None:
    """The refusal comes instead of the 100, and then the end: whether a body follows nobody knows."""
    answer = await refused(shared_edge.address, head)
    assert (answer.status, answer.is_problem) == (status, True)


async def test_a_body_that_came_unasked_needs_no_continue(shared_edge: Edge) -> None:
    """A client that did not wait gets its answer only."""
    assert (await ask_once(shared_edge.address, post(b"{}", "Expect: 100-continue"))).status == 200


async def test_http_1_0_expects_nothing(shared_edge: Edge, shared_server: LinkServer) -> None:
    """Its clients do not know what a 100 is."""
    async with raw_client(shared_edge.address) as client:
        client.send(AWAITING.replace(b"HTTP/1.1", b"HTTP/1.0"))
        answer = await client.ask(b"{}")
    assert answer.status == 200


@pytest.mark.parametrize("expected", ["secret-wish", "100-continue, secret-wish"])
async def test_another_expectation(shared_edge: Edge, expected: str) -> None:
    """417 without echo."""
    answer = await refused(shared_edge.address, request("/healthz", HOST, f"Expect: {expected}"))
    assert (answer.status, answer.is_problem) == (417, True)
    assert b"secret" not in answer.body


async def test_a_hundred_requests_in_one_go(shared_edge: Edge) -> None:
    """Pipelined ones are answered in order, whoever answers them."""
    paths = [LINK, "/healthz", "/l/nowhere", "/api/v1/affiliate/program"] * 25
    async with raw_client(shared_edge.address) as client:
        client.send(b"".join(request(path, HOST) for path in paths))
        statuses = [(await client.answer()).status for _ in paths]
    assert statuses == [302, 200, 404, 501] * 25


async def test_a_get_with_a_body(shared_edge: Edge) -> None:
    """HTTP allows it; the route says that it wants none, and the connection lives."""
    async with raw_client(shared_edge.address) as client:
        asked = request(LINKS, HOST, "Content-Length: 2") + b"{}"
        assert (await client.ask(asked)).status == 400
        assert (await client.ask(request("/healthz", HOST))).status == 200
