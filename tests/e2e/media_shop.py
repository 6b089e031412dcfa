"""An admin's program that uploads pictures: asks for a URL, PUTs the bytes, has them processed, looks on.

What pictures there are, and what is expected of them, is for others to say.
"""

from __future__ import annotations

import asyncio
import io
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from PIL import Image

from tests.e2e.conftest import Answer, Api
from tests.e2e.media_pictures import Picture
from tests.stack import Stack

MEDIA: Final = "/api/v1/media"
FINISHED: Final = ("READY", "REJECTED")
PRODUCT_SET: Final = ["thumb", "medium", "large", "og"]


def new_entity(beginning: str = "sku") -> str:
    """An id that no other picture belongs to."""
    return f"{beginning}-{uuid.uuid4().hex[:12]}"


@dataclass(frozen=True)
class Fetched:
    """What came back from a public URL."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def image(self) -> Image.Image:
        """The picture, decoded; its `format` says what it was."""
        image = Image.open(io.BytesIO(self.body))
        image.load()
        return image


@dataclass(frozen=True)
class MediaShop:
    """Calls as one caller through the public door, and the store as whoever has the URL."""

    api: Api
    session: aiohttp.ClientSession

    async def ticket(self, picture: Picture, **fields: Any) -> Any:
        """What the answer to a call for an upload URL says; `fields` come over what the picture says."""
        answer = await self.api.post(f"{MEDIA}/upload-url", self.declaration(picture, **fields))
        assert answer.status == 200, answer.body
        return answer.body

    def declaration(self, picture: Picture, **fields: Any) -> dict[str, Any]:
        """The body of that call."""
        return {
            "filename": f"{picture.name}.bin",
            "contentType": picture.content_type,
            "contentLength": len(picture.content),
            "entityType": "product",
            "entityId": new_entity(),
            **fields,
        }

    async def put(self, ticket: Any, content: bytes, *, url: str | None = None, **headers: str) -> Fetched:
        """The upload; `headers` come over those that the answer asks for."""
        sent = {**ticket["headers"], **{name.replace("_", "-"): value for name, value in headers.items()}}
        async with self.session.put(url or ticket["uploadUrl"], data=content, headers=sent) as response:
            return Fetched(response.status, response.headers, await response.read())

    async def uploaded(self, picture: Picture, **fields: Any) -> Any:
        """A new picture whose bytes are in the store, as the ticket."""
        ticket = await self.ticket(picture, **fields)
        put = await self.put(ticket, picture.content)
        assert put.status == 200, put.body
        return ticket

    async def process(self, media_id: str, **fields: Any) -> Answer:
        return await self.api.post(f"{MEDIA}/process", {"mediaId": media_id, **fields})

    async def processed(self, media_id: str, *, within: float = 30.0, **fields: Any) -> Any:
        """The record once the picture is READY or REJECTED."""
        answer = await self.process(media_id, wait=True, **fields)
        assert answer.status == 200, answer.body
        if answer.body["status"] in FINISHED:
            return answer.body
        return await self.finished(media_id, within=within)

    async def finished(self, media_id: str, *, within: float = 30.0) -> Any:
        """The record as soon as it is READY or REJECTED, seen by looking ever more seldom."""
        pause = 0.02
        async with asyncio.timeout(within):
            while (record := await self.record(media_id))["status"] not in FINISHED:
                await asyncio.sleep(pause)
                pause = min(0.5, 1.5 * pause)
        return record

    async def record(self, media_id: str) -> Any:
        answer = await self.api.get(f"{MEDIA}/{media_id}")
        assert answer.status == 200, answer.body
        return answer.body

    async def added(
        self, picture: Picture, variants: list[dict[str, Any]] | None = None, **fields: Any
    ) -> Any:
        """A new picture all the way: the finished record, whatever became of it."""
        ticket = await self.uploaded(picture, **fields)
        asked: dict[str, Any] = {} if variants is None else {"variants": variants}
        return await self.processed(ticket["mediaId"], **asked)

    async def fetch(self, url: str) -> Fetched:
        """As any visitor: without a credential."""
        async with self.session.get(url) as response:
            return Fetched(response.status, response.headers, await response.read())


@asynccontextmanager
async def open_shop(stack: Stack) -> AsyncIterator[MediaShop]:
    """As an admin of this stack."""
    connector = aiohttp.TCPConnector(limit=100)
    async with aiohttp.ClientSession(stack["edge_url"], connector=connector) as session:
        yield MediaShop(Api(session, stack["admin_token"]), session)


def variant(record: Any, name: str) -> Any:
    """The one of that name."""
    return next(variant for variant in record["variants"] if variant["name"] == name)


def names(record: Any) -> list[str]:
    return [variant["name"] for variant in record["variants"]]


def urls(record: Any) -> list[str]:
    return [variant["url"] for variant in record["variants"]]


async def gone(shop: MediaShop, url: str, *, within: float = 20.0) -> None:
    """Waits until nothing is at a public URL any more; just when it goes, the door may ask to come back."""
    async with asyncio.timeout(within):
        while (status := (await shop.fetch(url)).status) != 404:
            assert status in {200, 503}, status
            await asyncio.sleep(0.05)
