"""Clients that take their time: cut off before they cost anything, while everybody else is served."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from edge.limits import Limits, Pace
from tests.contract.edge.link_server import LinkServer
from tests.contract.edge.raw_client import HOST, RawClient, ask_once, post, raw_client, request
from tests.contract.edge.running_edge import Edge, running_edge

HEAD_SECONDS = 0.4
IDLE_SECONDS = 0.8
IMPATIENT = Limits(
    head_seconds=HEAD_SECONDS,
    idle_seconds=IDLE_SECONDS,
    linger_seconds=0.3,
    body=Pace(grace_seconds=0.4, bytes_per_second=1000.0),
    answer=Pace(grace_seconds=0.4, bytes_per_second=100_000.0),
)
SLOW = 3.0  # seconds: the most that any of this may take on a busy machine
REFUSED = "millrace_edge_refused_total"


@pytest.fixture(scope="module")
async def subject(redis_server_url: str, shared_server: LinkServer) -> AsyncIterator[Edge]:
    """An edge with little patience."""
    async with running_edge(redis_server_url, shared_server.port, prefix="slow", limits=IMPATIENT) as edge:
        yield edge


async def dribble(client: RawClient, text: bytes) -> None:
    """One byte at a time, never silent for long; ends when the edge has."""
    for byte in text:
        if client.writer.is_closing():
            return
        client.send(bytes([byte]))
        await asyncio.sleep(0.02)


async def test_a_silent_connection(subject: Edge) -> None:
    """Is closed without a word: a browser that connects in advance expects none."""
    before = await subject.metric(REFUSED, reason="silent")
    async with raw_client(subject.address) as client:
        assert await client.rest(within=SLOW) == b""
    assert await subject.metric(REFUSED, reason="silent") == before + 1


@pytest.mark.parametrize("path", ["/l/shoe22", "/healthz"])
@pytest.mark.parametrize("kept", [False, True], ids=["first", "kept"])
async def test_a_head_that_dribbles(subject: Edge, path: str, kept: bool) -> None:
    """408 when its time is up, however steadily it comes and whatever was served before; counted."""
    before = await subject.metric(REFUSED, reason="slow_head")
    async with raw_client(subject.address) as client:
        if kept:
            await client.ask(request(path, HOST))
        began_at = time.monotonic()
        dribbling = asyncio.create_task(dribble(client, request(path, HOST, "X: " + "y" * 1000)))
        answer = await client.answer(within=SLOW)
        assert (answer.status, answer.is_problem, answer.closes) == (408, True, True)
        assert time.monotonic() - began_at > HEAD_SECONDS * 0.9
        assert await client.rest() == b""
        dribbling.cancel()
    assert await subject.metric(REFUSED, reason="slow_head") == before + 1


async def test_blank_lines_are_no_sign_of_life(subject: Edge) -> None:
    """They may stand before a request, but not for ever."""
    async with raw_client(subject.address) as client:
        dribbling = asyncio.create_task(dribble(client, b"\r\n" * 500))
        assert (await client.answer(within=SLOW)).status == 408
        dribbling.cancel()


@pytest.mark.parametrize("path", ["/l/shoe22", "/healthz"])
async def test_an_idle_connection_is_kept_for_a_while(subject: Edge, path: str) -> None:
    """Longer than a head may take, then closed without a word."""
    async with raw_client(subject.address) as client:
        await client.ask(request(path, HOST))
        await asyncio.sleep(HEAD_SECONDS + 0.1)
        assert (await client.ask(request(path, HOST))).status in {200, 302}
        began_at = time.monotonic()
        assert await client.rest(within=SLOW) == b""
        assert time.monotonic() - began_at > IDLE_SECONDS * 0.7


async def test_a_request_that_begins_late_is_not_cut_by_the_idle_limit(subject: Edge) -> None:
    """Its head has the time that every head has."""
    async with raw_client(subject.address) as client:
        await client.ask(request("/healthz", HOST))
        await asyncio.sleep(IDLE_SECONDS - 0.2)
        client.send(b"GET /healthz")
        await asyncio.sleep(0.3)
        assert (await client.ask(b" HTTP/1.1\r\nHost: a\r\n\r\n")).status == 200


@pytest.mark.parametrize("coding", [b"Content-Length: 2000", b"Transfer-Encoding: chunked"])
async def test_a_body_that_dribbles(subject: Edge, coding: bytes) -> None:
    """408 once it is behind its minimum rate, and the end; counted."""
    before = await subject.metric(REFUSED, reason="slow_body")
    async with raw_client(subject.address) as client:
        client.send(post(b"").replace(b"Content-Length: 0", coding))
        dribbling = asyncio.create_task(dribble(client, b"2\r\n{ \r\n" * 300))
        answer = await client.answer(within=SLOW)
        assert (answer.status, answer.is_problem, answer.closes) == (408, True, True)
        await client.rest(within=SLOW)
        dribbling.cancel()
    assert await subject.metric(REFUSED, reason="slow_body") == before + 1


async def test_a_slow_body_above_the_minimum_rate_is_read(subject: Edge) -> None:
    """A poor line is not an attack."""
    body = b" " * 4_000 + b"{}"
    async with raw_client(subject.address) as client:
        client.send(post(b"").replace(b"Length: 0", b"Length: %d" % len(body)))
        for start in range(0, len(body), 400):
            client.send(body[start : start + 400])
            await asyncio.sleep(0.1)
        assert (await client.answer(within=SLOW)).status == 200


async def test_a_body_that_nobody_wanted_does_not_keep_the_connection(subject: Edge) -> None:
    """It is read for a moment, so that the client sees its answer, and then no longer."""
    async with raw_client(subject.address) as client:
        client.send(post(b"", target="/api/v1/nothing").replace(b"Length: 0", b"Length: 2000"))
        dribbling = asyncio.create_task(dribble(client, b" " * 500))
        assert (await client.answer()).status == 404
        assert await client.rest(within=SLOW) == b""
        dribbling.cancel()


@pytest.mark.parametrize("path", ["/l/nowhere", "/api/v1/affiliate/links?pageSize=400"])
async def test_a_client_that_never_reads(subject: Edge, path: str) -> None:
    """Is cut once what it asked for has waited long enough; what waits for it stays bounded."""
    before = await subject.metric(REFUSED, reason="slow_reader")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    host, port = subject.address.split(":")
    await loop.sock_connect(connection, (host, int(port)))
    asked = request(path, HOST, "Accept: text/html") * 200

    async def insist() -> None:
        while True:
            await loop.sock_sendall(connection, asked)

    with connection:
        async with asyncio.timeout(SLOW * 2):
            # The edge stops reading long before it is cut, and cuts it all the same.
            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                await insist()
    assert await subject.metric(REFUSED, reason="slow_reader") == before + 1
    assert await subject.metric("millrace_edge_unforeseen_errors_total", where="handler") == 0


async def test_hundreds_of_slow_clients_slow_nobody_down(subject: Edge) -> None:
    """The others' requests take as long as ever; and in time the slow ones are gone."""
    dripping: list[asyncio.Task[None]] = []
    async with AsyncExitStack() as stack:
        for number in range(400):
            client = await stack.enter_async_context(raw_client(subject.address))
            text = request("/healthz", HOST, "X: " + "y" * 1000) if number % 2 else post(b" " * 900)
            dripping.append(asyncio.create_task(dribble(client, text)))
        elapsed = []
        for _ in range(40):
            began_at = time.perf_counter()
            assert (await ask_once(subject.address, request("/l/shoe22", HOST))).status == 302
            elapsed.append(time.perf_counter() - began_at)
        assert sorted(elapsed)[20] < 0.1
        await asyncio.wait(dripping, timeout=SLOW)
        for task in dripping:
            task.cancel()
    async with asyncio.timeout(SLOW):
        while await subject.metric("millrace_edge_connections_open") > 0:
            await asyncio.sleep(0.02)
