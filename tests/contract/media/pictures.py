"""The media service as an admin calls it, uploads as a browser sends them, and small files of every type."""

from __future__ import annotations

import io
import uuid
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import aiohttp
from google.protobuf.message import Message
from PIL import Image
from sqlalchemy import text

from millrace.media.v1 import media_service_pb2 as rpc
from millrace.media.v1.media_pb2 import Media
from server.auth.principal import Principal, Role, acting_as
from server.db.engine import Sessions
from server.media.content_lock import lock_content
from server.media.keys import variant_key
from server.media.media import Content, StoredMedia, StoredVariant
from server.media.pictures.avif import know_avif
from server.media.renditions import add_renditions, make_ready
from server.media.repository import MediaRepository
from server.media.servicer import MediaServicer
from server.media.store import ObjectStore
from server.rpc.validation import ContractRules

ADMIN = Principal("admin@test", Role.ADMIN)
FORMATS = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
    "image/avif": "AVIF",
    "image/gif": "GIF",
}


know_avif()


def picture(content_type: str, width: int = 8, height: int = 6) -> bytes:
    """A whole file of this type."""
    written = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(written, FORMATS[content_type])
    return written.getvalue()


@dataclass
class Pictures:
    """The servicer behind the contract's rules, and what the tests look at behind its back."""

    servicer: MediaServicer
    rules: ContractRules
    sessions: Sessions
    store: ObjectStore
    context: Any = field(default_factory=lambda: SimpleNamespace(time_remaining=lambda: None))

    async def call(self, request: Message) -> Any:
        """The answer to a request, whose type names the method."""
        self.rules.check(request)
        method = getattr(self.servicer, type(request).__name__.removesuffix("Request"))
        with acting_as(ADMIN):
            return await method(request, self.context)

    async def upload_url(self, body: bytes = b"", **fields: Any) -> rpc.CreateUploadUrlResponse:
        """Declares a file; `fields` over those of a product's PNG of the body's length."""
        declared = {
            "filename": "kettle.png",
            "content_type": "image/png",
            "content_length": len(body) or 1,
            "entity_type": "product",
            "entity_id": "sku-1",
        }
        answer: rpc.CreateUploadUrlResponse = await self.call(
            rpc.CreateUploadUrlRequest(**{**declared, **fields})
        )
        return answer

    async def uploaded(self, body: bytes | None = None, **fields: Any) -> str:
        """Declares a file and sends it; returns the id."""
        body = picture("image/png") if body is None else body
        given = await self.upload_url(body, **fields)
        assert await put(given.upload_url, body, given.headers) == 200
        return given.media_id

    async def process(self, media_id: str, *variants: Any, **fields: Any) -> Media:
        """Has variants made of an upload."""
        answer: Media = await self.call(
            rpc.ProcessMediaRequest(media_id=media_id, variants=variants, **fields)
        )
        return answer

    async def get(self, media_id: str) -> Media:
        answer: Media = await self.call(rpc.GetMediaRequest(media_id=media_id))
        return answer

    async def stored(self, media_id: str) -> StoredMedia:
        """The picture as its rows say it."""
        async with self.sessions() as session:
            return await MediaRepository(session).read(uuid.UUID(media_id))

    async def finish(self, media_id: str, sha256: bytes) -> None:
        """Writes what a worker writes once every variant wanted is in the store."""
        wanted = (await self.stored(media_id)).wanted
        variants = [
            StoredVariant(each.name, variant_key(sha256, each), 4, 3, 99, each.format) for each in wanted
        ]
        content = Content(sha256, width=8, height=6, thumbhash=b"\x01\x02", dominant_color="#008080")
        async with self.sessions.begin() as session:
            await lock_content(session, sha256)
            await add_renditions(session, content, variants)
            listed = [(variant.name, variant.key) for variant in variants]
            await make_ready(session, uuid.UUID(media_id), sha256, listed)

    async def jobs(self, task: str = "media.process") -> list[dict[str, Any]]:
        """The payloads of every job of a task, oldest first."""
        return await self.column("SELECT payload FROM jobs WHERE task = :task ORDER BY job_id", task=task)

    async def column(self, statement: str, **values: Any) -> list[Any]:
        """The first column of what a query finds."""
        async with self.sessions() as session:
            return list(await session.scalars(text(statement), values))

    async def execute(self, statement: str, **values: Any) -> None:
        """Changes rows behind the service's back."""
        async with self.sessions.begin() as session:
            await session.execute(text(statement), values)


async def put(url: str, body: bytes, headers: Any) -> int:
    """What a browser's PUT is answered with."""
    async with aiohttp.ClientSession() as browser, browser.put(url, data=body, headers=headers) as answer:
        return answer.status
