"""Requests whose end two readers could see in different places: refused, closed, never echoed."""

import asyncio
import socket

import pytest

from tests.contract.edge.link_server import LinkServer
from tests.contract.edge.raw_client import HOST, LINKS, post, post_chunked, raw_client, refused, request
from tests.contract.edge.running_edge import Edge

CHUNKED = "Transfer-Encoding: chunked"
SMUGGLED = b"GET /l/smuggled HTTP/1.1\r\nHost: secret.example\r\n\r\n"


def head(*headers: str) -> bytes:
    return request(LINKS, HOST, *headers, method="POST")


LENGTHS = {
    "length-and-chunks": head("Content-Length: 5", CHUNKED) + b"0\r\n\r\n",
    "two-equal-lengths": head("Content-Length: 5", "Content-Length: 5") + b"abcde",
    "two-lengths": head("Content-Length: 5", "Content-Length: 6") + b"abcdef",
    "list-of-lengths": head("Content-Length: 5, 5") + b"abcde",
    "negative": head("Content-Length: -1"),
    "plus": head("Content-Length: +1") + b"a",
    "hexadecimal": head("Content-Length: 0x1") + b"a",
    "underscore": head("Content-Length: 1_0") + b"a" * 10,
    "blank-within": head("Content-Length: 1 1") + b"a" * 11,
    "empty": head("Content-Length: "),
    "huge": head("Content-Length: 99999999999999999999999") + b"a",
}
CODINGS = {
    "unknown-coding": head("Transfer-Encoding: xchunked") + b"0\r\n\r\n",
    "chunked-not-last": head("Transfer-Encoding: chunked, identity") + b"0\r\n\r\n",
    "identity": head("Transfer-Encoding: identity") + b"0\r\n\r\n",
    "two-codings": head(CHUNKED, CHUNKED) + b"0\r\n\r\n",
    "empty-coding": head("Transfer-Encoding: ") + b"0\r\n\r\n",
    "blank-before-colon": head("Transfer-Encoding : chunked") + b"0\r\n\r\n",
    "vertical-tab": head("Transfer-Encoding:\x0bchunked") + b"0\r\n\r\n",
    "quoted": head('Transfer-Encoding: "chunked"') + b"0\r\n\r\n",
    "http-1.0": request(LINKS, HOST, CHUNKED, method="POST", version="1.0") + b"0\r\n\r\n",
}
CHUNKS = {
    "size-with-prefix": head(CHUNKED) + b"0x2\r\n{}\r\n0\r\n\r\n",
    "negative-size": head(CHUNKED) + b"-2\r\n{}\r\n0\r\n\r\n",
    "blank-after-size": head(CHUNKED) + b"2 \r\n{}\r\n0\r\n\r\n",
    "size-overflow": head(CHUNKED) + b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "bare-lf-after-size": head(CHUNKED) + b"2\n{}\r\n0\r\n\r\n",
    "bare-lf-in-extension": head(CHUNKED) + b"2;a\nb\r\n{}\r\n0\r\n\r\n",
    "longer-than-its-size": head(CHUNKED) + b"2\r\n{}}\r\n0\r\n\r\n",
    "no-end-of-chunk": head(CHUNKED) + b"2\r\n{}0\r\n\r\n",
    "length-in-trailer": head(CHUNKED) + b"2\r\n{}\r\n0\r\nContent-Length: 7\r\n\r\n",
    "broken-trailer": head(CHUNKED) + b"2\r\n{}\r\n0\r\nX y\r\n\r\n",
}
LINES = {
    "folded-header": request("/healthz", HOST, "X: a", " b"),
    "fold-before-headers": request("/healthz", " X: a", HOST),
    "bare-lf-throughout": b"GET /healthz HTTP/1.1\nHost: a.example\n\n",
    "bare-lf-after-header": b"GET /healthz HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "bare-cr-after-header": b"GET /healthz HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
    "bare-cr-in-value": request("/healthz", HOST, "X: y\rz"),
    "blank-in-name": request("/healthz", HOST, "X Y: z"),
    "blank-after-name": request("/healthz", HOST, "X : z"),
    "no-name": request("/healthz", HOST, ": z"),
    "no-colon": request("/healthz", HOST, "xyz"),
    "name-beyond-ascii": request("/healthz", HOST, "X\xe9: z"),
    "nul-in-value": request("/healthz", HOST, "X: a\x00b"),
    "control-in-value": request("/healthz", HOST, "X: a\x01b"),
    "delete-in-value": request("/healthz", HOST, "X: a\x7fb"),
    "nul-in-target": request("/heal\x00thz", HOST),
    "control-in-target": request("/heal\x01thz", HOST),
    "tab-in-target": request("/heal\tthz", HOST),
    "blank-in-target": request("/heal thz", HOST),
    "bytes-in-target": request("/heal\xff\xfethz", HOST),
    "relative-target": request("healthz", HOST),
}
ATTACKS = LENGTHS | CODINGS | CHUNKS | LINES


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
async def test_doubtful_framing(shared_edge: Edge, shared_server: LinkServer, attack: bytes) -> None:
    """400 as a problem, then the end; what follows is no second request, and nobody was called."""
    answer = await refused(shared_edge.address, attack + SMUGGLED)
    assert answer.status == 400
    assert answer.is_problem
    assert b"secret" not in answer.body
    assert not shared_server.asked


@pytest.mark.parametrize(
    "good",
    [
        request("/healthz", HOST),
        request("/l/shoe22", HOST) * 2,
        request("/l/shoe22", HOST) + post(b"{}", target="/api/v1/nothing") + request("/healthz", HOST),
    ],
    ids=["one", "links", "mixed"],
)
@pytest.mark.parametrize("bad", ["nul-in-value", "relative-target", "two-lengths", "size-with-prefix"])
async def test_what_came_whole_before_an_attack_is_answered(shared_edge: Edge, good: bytes, bad: str) -> None:
    """Also in the same packet: each gets its own answer, in order, and only then comes the refusal."""
    async with raw_client(shared_edge.address) as client:
        client.send(good + ATTACKS[bad])
        for _ in range(good.count(b"HTTP/1.1")):
            answer = await client.answer()
            assert answer.status in {200, 302, 404}
            assert not answer.closes
        last = await client.answer()
        assert (last.status, last.is_problem, last.closes) == (400, True, True)
        assert await client.rest() == b""


@pytest.mark.parametrize("path", ["/l/shoe22", "/healthz"])
@pytest.mark.parametrize("ending", [("Connection: close", "1.1"), ("X: y", "1.0")], ids=["close", "1.0"])
@pytest.mark.parametrize("more", [SMUGGLED, b"\x00\x16\x03", b"\r\n\r\n"], ids=["request", "junk", "blank"])
async def test_what_comes_after_the_last_request_is_ignored(
    shared_edge: Edge, path: str, ending: tuple[str, str], more: bytes
) -> None:
    """A client that says that it asks no more is answered what it asked, and nothing else."""
    header, version = ending
    async with raw_client(shared_edge.address) as client:
        answer = await client.ask(request(path, HOST, header, version=version) + more)
        assert answer.status in {200, 302}
        assert await client.rest() == b""


@pytest.mark.parametrize(
    "attack",
    [
        request("/healthz", HOST, "X: " + "y" * 5_000_000),
        b"\x16\x03\x01" * 2_000_000,
        head(CHUNKED) + b"zz\r\n" + b"x" * 5_000_000,
        head("Host: b.example", "Content-Length: 5000000") + b"x" * 5_000_000,
        head("Transfer-Encoding: gzip, chunked") + b"x" * 5_000_000,
    ],
    ids=["header", "noise", "chunks", "two-hosts", "coding"],
)
async def test_a_refusal_reaches_a_client_that_sends_on(shared_edge: Edge, attack: bytes) -> None:
    """What it still sends is taken for a while: a reset would overtake the answer."""

    host, port = shared_edge.address.split(":")

    def insist() -> bytes:
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(attack)
            return b"".join(iter(lambda: connection.recv(65_536), b""))

    answer = await asyncio.to_thread(insist)
    assert answer[9:12] in {b"400", b"431", b"501"}
    assert b"application/problem+json" in answer


@pytest.mark.parametrize("coding", ["gzip, chunked", "deflate, chunked"])
async def test_a_transfer_coding_that_is_not_undone_here(shared_edge: Edge, coding: str) -> None:
    """501: the body would be taken for what it is not."""
    answer = await refused(shared_edge.address, head(f"Transfer-Encoding: {coding}") + b"0\r\n\r\n")
    assert answer.status == 501
    assert answer.is_problem


async def test_a_length_that_no_number_holds_is_not_taken_for_none(shared_edge: Edge) -> None:
    """The parser would serve it as a request without a body and swallow whatever follows."""
    answer = await refused(shared_edge.address, head("Content-Length: 18446744073709551615") + SMUGGLED)
    assert answer.status == 413


@pytest.mark.parametrize(
    ("kind", "attack"),
    [("malformed", LENGTHS["two-lengths"]), ("framing", CODINGS["http-1.0"])],
)
async def test_attacks_are_counted_by_kind(shared_edge: Edge, kind: str, attack: bytes) -> None:
    """So that an operator sees what is going on."""
    before = await shared_edge.metric("millrace_edge_refused_total", reason=kind)
    await refused(shared_edge.address, attack)
    assert await shared_edge.metric("millrace_edge_refused_total", reason=kind) == before + 1


async def test_a_body_that_breaks_while_it_is_read(shared_edge: Edge) -> None:
    """The reader learns at once, and says 400, instead of waiting for bytes that nobody will understand."""
    async with raw_client(shared_edge.address) as client:
        client.send(head(CHUNKED, "Content-Type: application/json") + b"2\r\n{")
        # Only once the body is awaited does the rest come; a second connection shows that it is.
        await refused(shared_edge.address, CHUNKS["negative-size"])
        answer = await client.ask(b"}XX2\r\n{}\r\n0\r\n\r\n", within=2.0)
        assert (answer.status, answer.is_problem, answer.closes) == (400, True, True)
        assert await client.rest() == b""


async def test_more_framing_than_body(shared_edge: Edge) -> None:
    """Chunks whose extensions outweigh their contents beyond all measure are not read to their end."""
    async with raw_client(shared_edge.address) as client:
        client.send(head(CHUNKED, "Content-Type: application/json") + b"2;x=")
        for _ in range(20):
            client.send(b"y" * 16_384)
            await client.writer.drain()
        answer = await client.answer()
        assert (answer.status, answer.is_problem) == (400, True)


@pytest.mark.parametrize(
    "sent",
    [
        post_chunked(b"{", b"}"),
        post_chunked(b"{}").replace(b"2\r\n", b"2;name=value\r\n"),
        post_chunked(b"{}").replace(b"0\r\n\r\n", b"0\r\nX-Sum: 1\r\n\r\n"),
        post_chunked(b"{}").replace(b"chunked", b"CHUNKED"),
        post(b"{}").replace(b"Length: 2", b"Length: 0002"),
    ],
    ids=["chunks", "extension", "trailer", "capitals", "leading-zeros"],
)
async def test_unusual_but_clear_framing_is_read(shared_edge: Edge, sent: bytes) -> None:
    """The body is taken, and the next request on the connection is understood."""
    async with raw_client(shared_edge.address) as client:
        assert (await client.ask(sent)).status == 200
        assert (await client.ask(request("/healthz", HOST))).status == 200
