"""What the tests of the worker's side stand on: pictures as the service leaves them to the workers."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from PIL import Image
from sqlalchemy import func, insert, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from millrace.streams.ids import new_id_bytes
from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs
from server.media.keys import original_key, variant_key
from server.media.models import MediaRow
from server.media.pictures.rendering import Refused, Rendered, decode_answer, encode_request, render
from server.media.processing import Processing
from server.media.recipes import Recipe, Recipes
from server.media.store import ObjectStore

THUMB = Recipe(name="thumb", width=4, height=4)
MEDIUM = Recipe(name="medium", width=8, height=8, format="jpeg")
RECIPES = (THUMB, MEDIUM)


def png(colour: str = "teal", width: int = 16, height: int = 12) -> bytes:
    """A whole small PNG."""
    written = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(written, "PNG")
    return written.getvalue()


BODY = png()
SHA256 = hashlib.sha256(BODY).digest()
KEYS = [variant_key(SHA256, recipe) for recipe in RECIPES]


@dataclass
class Ground:
    """Real stores, and the processing over them."""

    sessions: Sessions
    store: ObjectStore
    jobs: Jobs

    async def add_picture(
        self,
        body: bytes | None = BODY,
        *,
        status: str = "PROCESSING",
        recipes: Recipes = RECIPES,
        age: timedelta = timedelta(),
        **columns: Any,
    ) -> uuid.UUID:
        """A picture of which `body` was uploaded, unless None. `age`: when it was made and last touched."""
        media_id = uuid.UUID(bytes=new_id_bytes())
        declared = BODY if body is None else body
        row = {
            "media_id": media_id,
            "entity_type": "product",
            "entity_id": "sku-1",
            "key": original_key("product", "sku-1", media_id, "image/png"),
            "filename": "kettle.png",
            "content_type": "image/png",
            "declared_bytes": len(declared),
            "status": status,
            "wanted": msgspec.to_builtins(recipes),
            **columns,
        }
        if body is not None:
            await self.store.write(row["key"], body, content_type="image/png")
        async with self.sessions.begin() as session:
            await session.execute(insert(MediaRow).values(row))
            await session.execute(
                update(MediaRow)
                .where(MediaRow.media_id == media_id)
                .values(created_at=func.now() - age, updated_at=func.now() - age)
            )
        return media_id

    async def process(self, media_id: uuid.UUID, draw: Any = None) -> dict[str, Any]:
        """What comes of a job of this picture, which is drawn in this process unless told otherwise."""
        processing = Processing(self.sessions, self.store, self.jobs, seconds=30)
        return await processing.process(media_id, transaction=self.transaction, render=draw or draw_here)

    @asynccontextmanager
    async def transaction(self, result: Any = None) -> AsyncIterator[AsyncSession]:
        async with self.sessions.begin() as session:
            yield session

    async def ready(self, body: bytes = BODY, **columns: Any) -> uuid.UUID:
        """A picture that was made READY."""
        media_id = await self.add_picture(body, **columns)
        assert (await self.process(media_id))["outcome"] == "READY"
        return media_id

    async def row(self, media_id: uuid.UUID) -> Any:
        """The picture's row; None when it is gone."""
        async with self.sessions() as session:
            found = await session.execute(
                text("SELECT * FROM media WHERE media_id = :id").bindparams(id=media_id)
            )
            return found.one_or_none()

    async def variants(self, media_id: uuid.UUID) -> list[str]:
        """The keys that the picture lists, in order."""
        statement = "SELECT key FROM media_variants WHERE media_id = :media_id ORDER BY position"
        return await self.column(statement, media_id=media_id)

    async def renditions(self) -> list[str]:
        """The keys of all renditions there are."""
        return await self.column("SELECT key FROM media_renditions ORDER BY key")

    async def objects(self, prefix: str = "") -> list[str]:
        """The keys of all objects."""
        return [each.key async for page in self.store.pages(prefix=prefix) for each in page]

    async def queued(self, task: str) -> list[dict[str, Any]]:
        """Payloads of a task's jobs."""
        return await self.column("SELECT payload FROM jobs WHERE task = :task ORDER BY job_id", task=task)

    async def column(self, statement: str, **values: Any) -> list[Any]:
        async with self.sessions() as session:
            return list(await session.scalars(text(statement), values))

    async def execute(self, statement: str, **values: Any) -> None:
        async with self.sessions.begin() as session:
            await session.execute(text(statement), values)

    async def until_waiting_for_content(self) -> None:
        """Returns once some transaction waits for a content that another one holds."""
        statement = (
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database "
            "WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
        )
        async with asyncio.timeout(10):
            while not (await self.column(statement))[0]:
                await asyncio.sleep(0.01)


async def draw_here(content: bytes, content_type: str, recipes: Recipes) -> Rendered | Refused:
    """The real drawing, without limits."""
    question = encode_request(content, content_type, recipes)
    return decode_answer(await asyncio.to_thread(render, question))


@dataclass
class HeldDrawing:
    """A drawing that begins, and goes on when told to; counts what it drew."""

    begun: asyncio.Event
    go_on: asyncio.Event
    drawn: int = 0

    async def __call__(self, content: bytes, content_type: str, recipes: Recipes) -> Rendered | Refused:
        self.drawn += len(recipes)
        self.begun.set()
        await self.go_on.wait()
        return await draw_here(content, content_type, recipes)


@asynccontextmanager
async def held_drawing() -> AsyncIterator[HeldDrawing]:
    """Lets it go on at the end, whatever the test found."""
    drawing = HeldDrawing(asyncio.Event(), asyncio.Event())
    try:
        yield drawing
    finally:
        drawing.go_on.set()


@asynccontextmanager
async def beside(work: Any) -> AsyncIterator[asyncio.Task[Any]]:
    """The coroutine running beside the block; ended with it."""
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        if not task.done():
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task


def refusing(reason: str) -> Any:
    """A drawing that refuses whatever it is given."""

    async def refuse(content: bytes, content_type: str, recipes: Sequence[Recipe]) -> Refused:
        return Refused(reason, "It is not taken.")

    return refuse
