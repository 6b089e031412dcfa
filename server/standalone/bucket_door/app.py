"""The door's composition root: one listener for uploads, one for readers, and what both lead to."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp
import structlog
from aiohttp import web

from server.media.store import ObjectStore
from server.standalone.bucket_door.pictures import PictureDoor
from server.standalone.bucket_door.settings import DoorSettings
from server.standalone.bucket_door.uploads import UploadDoor

log = structlog.get_logger(__name__)

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

# Of requests under way when told to stop: a large upload over a slow line is sent again instead.
FINISH_SECONDS: Final = 5.0
CONNECT_SECONDS: Final = 2.0
# Between two pieces of an answer or of a body.
SILENCE_SECONDS: Final = 30.0
CONNECTIONS: Final = 128


@dataclass(frozen=True, slots=True)
class OpenDoors:
    """The ports that are listened on."""

    upload_port: int
    public_port: int


async def serve(settings: DoorSettings) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with open_doors(settings) as doors:
        log.info("bucket_door_started", upload_port=doors.upload_port, public_port=doors.public_port)
        await stopping.wait()
    log.info("bucket_door_stopped")


@asynccontextmanager
async def open_doors(settings: DoorSettings) -> AsyncIterator[OpenDoors]:
    """Both doors, open while the context lasts. The store behind them may come and go meanwhile."""
    async with AsyncExitStack() as opened:
        session = await opened.enter_async_context(_session())
        store = ObjectStore(settings)
        opened.push_async_callback(store.close)
        uploads = UploadDoor(session, settings.s3_endpoint, settings.s3_upload_origins)
        pictures = PictureDoor(session, store)
        host = settings.bucket_door_host
        yield OpenDoors(
            upload_port=await _listen(uploads.answer, host, settings.s3_door_port, opened),
            public_port=await _listen(pictures.answer, host, settings.media_port, opened),
        )


def _session() -> aiohttp.ClientSession:
    """Passes on what it is given, adds nothing, and opens a connection for each request.

    A connection that is kept may just be ending; a body that is half sent then cannot be sent again.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    )


async def _listen(answer: Answer, host: str, port: int, opened: AsyncExitStack) -> int:
    # Bodies go through as they come: a length that is signed is that of the bytes as they were sent.
    server = web.Server(answer, access_log=None, auto_decompress=False)
    runner = web.ServerRunner(server, shutdown_timeout=FINISH_SECONDS)
    await runner.setup()
    opened.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, host, port).start()
    return int(runner.addresses[0][1])
