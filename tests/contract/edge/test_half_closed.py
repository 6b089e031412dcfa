"""Clients that shut down their sending side once they have asked: what they asked for, they get."""

import asyncio

import pytest

from tests.contract.edge.link_server import LinkServer
from tests.contract.edge.raw_client import HOST, post, raw_client, request
from tests.contract.edge.running_edge import Edge

LINK = request("/l/shoe22", HOST)
LIST = request("/api/v1/affiliate/links?pageSize=3", HOST)
HEALTH = request("/healthz", HOST)
CREATION = post(b"{}")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (LINK, [302]),
        (LINK * 3, [302] * 3),
        (LIST, [200]),
        (HEALTH * 3, [200] * 3),
        (CREATION, [200]),
        (LINK + LIST + HEALTH + CREATION + LINK, [302, 200, 200, 200, 302]),
        (LIST * 100, [200] * 100),
        (LIST + LIST[:-2], [200]),
    ],
    ids=["link", "links", "list", "health", "creation", "mixed", "hundred", "and-a-piece"],
)
async def test_every_whole_request_is_answered(
    shared_edge: Edge, shared_server: LinkServer, asked: bytes, expected: list[int]
) -> None:
    """Then the connection ends, without waiting for more."""
    async with raw_client(shared_edge.address) as client:
        client.send(asked)
        client.writer.write_eof()
        assert [(await client.answer()).status for _ in expected] == expected
        assert await client.rest() == b""


async def test_an_answer_that_takes_a_while(edge: Edge, link_server: LinkServer) -> None:
    """It is waited for, but not for long: on the wire this client looks like one that has left."""
    link_server.delay_seconds = 0.5
    async with raw_client(edge.address) as client:
        client.send(CREATION)
        client.writer.write_eof()
        assert (await client.answer()).status == 200
        assert await client.rest() == b""


async def test_the_call_of_a_client_that_has_left_is_cancelled(edge: Edge, link_server: LinkServer) -> None:
    """Long before the call would have ended."""
    link_server.delay_seconds = 8.0
    async with raw_client(edge.address) as client:
        client.send(CREATION)
        async with asyncio.timeout(5):
            while not link_server.asked["CreateLink"]:
                await asyncio.sleep(0.01)
    async with asyncio.timeout(4):
        while await edge.metric("millrace_edge_connections_open") > 0:
            await asyncio.sleep(0.02)
        await link_server.cancelled.wait()


@pytest.mark.parametrize("sent", [b"", HEALTH[:20], CREATION[:-1]], ids=["nothing", "head", "body"])
async def test_a_request_that_never_becomes_whole(shared_edge: Edge, sent: bytes) -> None:
    """There is nobody to wait for: the connection ends at once."""
    async with raw_client(shared_edge.address) as client:
        client.send(sent)
        await asyncio.sleep(0.05)
        client.writer.write_eof()
        assert await client.rest(within=2) == b""


async def test_a_large_answer_is_read_slowly(shared_edge: Edge) -> None:
    """A client that takes what it gets has not left, however long it takes."""
    async with raw_client(shared_edge.address) as client:
        client.send(request("/api/v1/affiliate/links?pageSize=400", HOST) * 60)
        client.writer.write_eof()
        statuses = []
        for _ in range(60):
            statuses.append((await client.answer()).status)
            await asyncio.sleep(0.03)
        assert statuses == [200] * 60
        assert await client.rest() == b""
