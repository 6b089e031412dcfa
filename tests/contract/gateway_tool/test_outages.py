"""The tool and its upstream in trouble, and the end of both."""

import asyncio
import json
import signal
from pathlib import Path

import pytest

from tests.contract.gateway_tool.shelf_server import ShelfServer
from tests.contract.gateway_tool.tool_process import Tool, running_tool, start_command

BOOK = "/v1/shelves/1/books/2"


async def test_without_an_upstream_clients_are_told_to_come_back_and_then_served(
    shelf_image: Path, unused_port: int
) -> None:
    """503 with Retry-After and an unready gateway, until the server is there."""
    async with running_tool(shelf_image, f"127.0.0.1:{unused_port}") as tool:
        refused, unready = await tool.get(BOOK), await tool.get("/readyz")
        assert (refused.status, refused.json["code"]) == (503, "UNAVAILABLE")
        assert int(refused.headers["Retry-After"]) >= 1
        assert str(unused_port) not in refused.body.decode()
        assert (unready.status, unready.json["dependencies"]) == (503, {"upstream": "down"})
        assert (await tool.get("/healthz")).status == 200

        async with ShelfServer(shelf_image, port=unused_port):
            async with asyncio.timeout(10):
                while (await tool.get("/readyz")).status != 200:
                    await asyncio.sleep(0.05)
            assert (await tool.get(BOOK)).status == 200


async def test_a_slow_upstream_is_given_up_at_the_deadline(
    shelf_image: Path, shelf_server: ShelfServer
) -> None:
    """504, and the upstream's work is cancelled."""
    shelf_server.seen.cancelled.clear()
    async with running_tool(shelf_image, f"127.0.0.1:{shelf_server.port}", "--deadline=0.3") as tool:
        async with asyncio.timeout(5):
            reply = await tool.get("/v1/books:wait")
            assert (reply.status, reply.json["code"]) == (504, "DEADLINE_EXCEEDED")
            await shelf_server.seen.cancelled.wait()


async def test_the_call_of_a_client_that_has_left_is_cancelled(
    subject: Tool, shelf_server: ShelfServer
) -> None:
    """Long before its deadline."""
    shelf_server.seen.waiting.clear()
    shelf_server.seen.cancelled.clear()
    asked = asyncio.create_task(subject.get("/v1/books:wait"))
    async with asyncio.timeout(10):
        await shelf_server.seen.waiting.wait()
        asked.cancel()
        await shelf_server.seen.cancelled.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_graceful_stop_finishes_what_was_asked(
    shelf_image: Path, shelf_server: ShelfServer, number: signal.Signals
) -> None:
    """New connections are refused, kept ones are told to leave, the request under way gets its answer."""
    shelf_server.seen.waiting.clear()
    async with running_tool(shelf_image, f"127.0.0.1:{shelf_server.port}", "--deadline=1.5") as tool:
        under_way = asyncio.create_task(tool.get("/v1/books:wait"))
        async with asyncio.timeout(10):
            await shelf_server.seen.waiting.wait()
        assert "Connection" not in (await tool.get(BOOK)).headers

        tool.process.send_signal(number)
        await _until_refused(tool)
        farewell = await tool.get(BOOK)  # over the connection that was kept
        assert (farewell.status, farewell.headers["Connection"]) == (200, "close")
        assert (await under_way).status == 504
        assert await asyncio.wait_for(tool.process.wait(), 10) == 0


async def test_a_stop_does_not_wait_for_a_stream_without_an_end(
    shelf_image: Path, shelf_server: ShelfServer
) -> None:
    """Its last line tells the client to connect to somebody else."""
    async with running_tool(shelf_image, f"127.0.0.1:{shelf_server.port}") as tool:
        async with tool.http.get(tool.url(f"{BOOK}:read?pages=1&hangs=true")) as response:
            assert await response.content.readline() == b'{"number":1}\n'
            tool.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(5):
                assert b'"status":503' in await response.content.read()
        assert await asyncio.wait_for(tool.process.wait(), 5) == 0


async def test_the_log_says_when_the_upstream_is_reached_and_when_it_is_lost(
    shelf_image: Path, unused_port: int
) -> None:
    """Each once, so that a wrong address does not stay a riddle of 503s."""
    upstream = f"127.0.0.1:{unused_port}"
    process = await start_command(
        f"--descriptor-set={shelf_image}", f"--upstream={upstream}", "--port=0", "--log-format=json"
    )

    async def logged(event: str) -> None:
        assert process.stdout is not None
        async with asyncio.timeout(10):
            async for line in process.stdout:
                if json.loads(line)["event"] == event:
                    assert json.loads(line)["upstream"] == upstream
                    return

    await logged("upstream_not_reached")
    async with ShelfServer(shelf_image, port=unused_port):
        await logged("upstream_reached")
    await logged("upstream_not_reached")
    process.kill()
    await process.communicate()


async def _until_refused(tool: Tool) -> None:
    host, port = tool.address.split(":")
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except ConnectionError:
                return
            writer.close()
            await asyncio.sleep(0.01)
