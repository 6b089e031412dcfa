"""Stopping an edge that is at work: whoever has asked is answered, and nobody asks in vain."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest

from tests.contract.edge.link_server import LinkServer
from tests.contract.edge.raw_client import HOST, post, raw_client, request
from tests.contract.edge.running_edge import Edge, running_edge

FAREWELL_SECONDS = 0.4
CREATED = post(b"{}")


@dataclass
class Stoppable:
    """A running edge, and the way to stop it while others do something."""

    edge: Edge
    stack: AsyncExitStack = field(repr=False)

    def begin_stop(self) -> asyncio.Task[None]:
        return asyncio.create_task(self.stack.aclose())


@asynccontextmanager
async def stoppable(
    redis_url: str, link_server: LinkServer, *, finish_seconds: float = 5.0
) -> AsyncIterator[Stoppable]:
    async with AsyncExitStack() as stack:
        edge = await stack.enter_async_context(
            running_edge(
                redis_url,
                link_server.port,
                farewell_seconds=FAREWELL_SECONDS,
                finish_seconds=finish_seconds,
            )
        )
        yield Stoppable(edge, stack)


@pytest.fixture
async def subject(redis_url: str, link_server: LinkServer) -> AsyncIterator[Stoppable]:
    """An edge that says farewell for a moment and then finishes."""
    async with stoppable(redis_url, link_server) as running:
        yield running


async def until_refused(address: str) -> None:
    """Waits until no new connection is taken."""
    host, port = address.split(":")
    async with asyncio.timeout(5):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except ConnectionError:  # refused, or reset when it waited in the queue at the very moment
                return
            writer.close()
            await asyncio.sleep(0.01)


async def test_under_load_nobody_fails(subject: Stoppable) -> None:
    """Clients that keep their connections ask on and on; each is told to leave, and none goes unanswered."""
    statuses: Counter[int] = Counter()
    told_to_leave = 0
    host, port = subject.edge.address.split(":")

    async def keep_asking(path: str) -> None:
        nonlocal told_to_leave
        reader, writer = await asyncio.open_connection(host, int(port))
        asked = request(path, HOST, "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/132.0")
        while True:
            writer.write(asked)
            head = await reader.readuntil(b"\r\n\r\n")
            statuses[int(head[9:12])] += 1
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            if b"Connection: close\r\n" in head:
                told_to_leave += 1
                writer.close()
                return

    paths = ["/l/shoe22", "/api/v1/affiliate/links?pageSize=3", "/healthz"]
    clients = [asyncio.create_task(keep_asking(paths[number % 3])) for number in range(60)]
    async with asyncio.timeout(10):
        while sum(statuses.values()) < 500:
            await asyncio.sleep(0.01)
    await subject.begin_stop()
    await asyncio.wait_for(asyncio.gather(*clients), 5)
    assert set(statuses) == {200, 302}
    assert told_to_leave == 60


async def test_who_waits_to_be_accepted_is_served(subject: Stoppable) -> None:
    """A connection that came in just before the stop is answered like any other, and told to leave."""
    host, port = subject.edge.address.split(":")
    connections = [socket.create_connection((host, int(port)), timeout=5) for _ in range(20)]
    for connection in connections:
        connection.sendall(request("/healthz", HOST))
    await subject.stack.aclose()  # in the very turn of the loop in which they came
    for connection in connections:
        with connection:
            answer = connection.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"Connection: close" in answer


async def test_the_order_of_leaving(subject: Stoppable) -> None:
    """Not ready, no new connections, and who is connected is served and told to leave."""
    address = subject.edge.address
    async with raw_client(address) as kept, raw_client(address) as follower:
        assert (await kept.ask(request("/readyz", HOST))).status == 200
        assert not (await follower.ask(request("/l/shoe22", HOST))).closes
        stopping = subject.begin_stop()
        await until_refused(address)
        readiness = await kept.ask(request("/readyz", HOST))
        assert readiness.status == 503
        assert readiness.document["status"] == "stopping"
        assert readiness.closes
        followed = await follower.ask(request("/l/shoe22", HOST))
        assert (followed.status, followed.closes) == (302, True)
        await stopping


async def test_a_long_request_is_finished_and_an_idle_client_served_meanwhile(
    subject: Stoppable, link_server: LinkServer
) -> None:
    """Idle connections are closed last: until then one that speaks is answered."""
    address = subject.edge.address
    link_server.delay_seconds = FAREWELL_SECONDS + 0.6
    async with raw_client(address) as long, raw_client(address) as idle, raw_client(address) as silent:
        assert (await idle.ask(request("/healthz", HOST))).status == 200
        assert (await silent.ask(request("/healthz", HOST))).status == 200
        long.send(CREATED)
        async with asyncio.timeout(5):
            while not link_server.asked["CreateLink"]:
                await asyncio.sleep(0.01)
        stopping = subject.begin_stop()
        await asyncio.sleep(FAREWELL_SECONDS + 0.2)
        assert (await idle.ask(request("/healthz", HOST))).status == 200
        created = await long.answer()
        assert (created.status, created.closes) == (200, True)
        assert await silent.rest() == b""
        await stopping


@pytest.mark.parametrize("expects", [(), ("Expect: 100-continue",)], ids=["at-once", "continue"])
async def test_an_upload_under_way_is_finished(subject: Stoppable, expects: tuple[str, ...]) -> None:
    """A body that is still coming when the edge begins to stop is read to its end, and answered."""
    async with raw_client(subject.edge.address) as client:
        client.send(post(b" " * 2000 + b"{}", *expects)[:-1000])
        if expects:
            assert (await client.answer()).status == 100
        stopping = subject.begin_stop()
        await asyncio.sleep(FAREWELL_SECONDS + 0.2)
        answer = await client.ask(b" " * 998 + b"{}")
        assert (answer.status, answer.closes) == (200, True)
        await stopping


async def test_a_request_longer_than_the_time_to_finish_is_cut(
    redis_url: str, link_server: LinkServer
) -> None:
    """The edge does not wait for ever: it ends in the time it was given."""
    link_server.delay_seconds = 8.0
    async with (
        stoppable(redis_url, link_server, finish_seconds=0.3) as running,
        raw_client(running.edge.address) as client,
    ):
        client.send(CREATED)
        async with asyncio.timeout(5):
            while not link_server.asked["CreateLink"]:
                await asyncio.sleep(0.01)
        async with asyncio.timeout(FAREWELL_SECONDS + 3.0):
            await running.begin_stop()
        await client.rest()


async def test_a_large_answer_is_read_to_its_end(subject: Stoppable) -> None:
    """A client that is slow to read has what it asked for before the edge is gone."""
    async with raw_client(subject.edge.address) as client:
        client.send(request("/api/v1/affiliate/links?pageSize=400", HOST) * 30)
        await client.answer()
        stopping = subject.begin_stop()
        await asyncio.sleep(FAREWELL_SECONDS + 0.1)
        statuses, closes = [], False
        while not closes:
            answer = await client.answer()
            statuses.append(answer.status)
            closes = answer.closes
        assert set(statuses) == {200}
        assert await client.rest() == b""
        await stopping


async def test_a_session_of_a_usual_client_sees_nothing(subject: Stoppable, link_server: LinkServer) -> None:
    """One that keeps connections in a pool goes on until nobody listens, and never sees a broken answer."""
    broken = 0
    async with aiohttp.ClientSession() as session:
        stopping = subject.begin_stop()
        while not stopping.done():
            try:
                async with session.get(f"http://{subject.edge.address}/healthz") as response:
                    assert (await response.json())["status"] == "alive"
            except aiohttp.ClientConnectorError:
                break
            except aiohttp.ClientError:
                broken += 1
        await stopping
    assert broken == 0
