"""Server streaming through the tool, to programs and to browsers."""

import asyncio

from tests.contract.gateway_tool.shelf_server import ShelfServer
from tests.contract.gateway_tool.tool_process import Tool

READ = "/v1/shelves/1/books/2:read"


async def test_a_stream_arrives_as_lines_of_json(subject: Tool) -> None:
    """One message a line."""
    reply = await subject.get(f"{READ}?pages=3")
    assert reply.headers["Content-Type"] == "application/x-ndjson"
    assert reply.body == b'{"number":1}\n{"number":2}\n{"number":3}\n'


async def test_a_message_arrives_before_the_stream_has_ended(subject: Tool) -> None:
    """Nothing waits for the last one."""
    async with asyncio.timeout(10), subject.http.get(subject.url(f"{READ}?pages=1&hangs=true")) as response:
        assert await response.content.readline() == b'{"number":1}\n'


async def test_a_browser_gets_events(subject: Tool) -> None:
    """`Accept: text/event-stream` turns messages into events."""
    reply = await subject.get(f"{READ}?pages=2", headers={"Accept": "text/event-stream"})
    assert reply.headers["Content-Type"].startswith("text/event-stream")
    messages = [line for line in reply.body.splitlines() if line.startswith(b"data:")]
    assert [message.removeprefix(b"data:").strip() for message in messages[:2]] == [
        b'{"number":1}',
        b'{"number":2}',
    ]


async def test_a_stream_that_breaks_says_so_in_its_last_line(subject: Tool) -> None:
    """The status was sent long ago; the problem says nothing of the inside."""
    reply = await subject.get(f"{READ}?pages=1&breaks=true")
    first, last = reply.body.splitlines()
    assert first == b'{"number":1}'
    assert b'"status":503' in last
    assert b"10.0.0.7" not in last


async def test_leaving_a_stream_cancels_the_call(subject: Tool, shelf_server: ShelfServer) -> None:
    """The upstream stops working for a client that has gone."""
    shelf_server.seen.cancelled.clear()
    async with subject.http.get(subject.url(f"{READ}?pages=1&hangs=true")) as response:
        await response.content.readline()
        response.close()
    async with asyncio.timeout(5):
        await shelf_server.seen.cancelled.wait()
