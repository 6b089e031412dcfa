"""Mends what the reconciliation found, one content at a time, having looked again whether it is still so."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Literal

import structlog
from sqlalchemy import Row, delete, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs
from server.media.content_lock import lock_content, try_lock_content
from server.media.media import LOST, MediaStatus
from server.media.models import ContentRow, MediaRow, RenditionRow, VariantRow
from server.media.repository import MediaRepository
from server.media.store import ObjectMissing, ObjectStore
from server.media.tasks import DELETE_OBJECTS, PROCESS_MEDIA, MediaToProcess, ObjectsToDelete

log = structlog.get_logger(__name__)

# `there`: nothing was wrong after all. `again`: variants are made anew. `dropped`: pictures show one variant
# less. `kept`: the original is gone, its variants are not. `rejected`: nothing is left.
Repair = Literal["there", "again", "dropped", "kept", "rejected"]

# A rendition is unused for a moment while a picture waits for others of its variants.
_UNUSED_AGE: Final = timedelta(hours=1)


class Repairs:
    """Constructor: sessions, the store, what enqueues. Every repair may be repeated; each is logged."""

    def __init__(self, sessions: Sessions, store: ObjectStore, jobs: Jobs) -> None:
        self._sessions = sessions
        self._store = store
        self._jobs = jobs

    async def mend_rendition(self, key: str, sha256: bytes) -> Repair:
        """A variant whose object seems lost. Made anew where any original of the same bytes is there."""
        async with self._sessions.begin() as session:
            await lock_content(session, sha256)
            if await self._is_there(key) or await session.get(RenditionRow, key) is None:
                return "there"
            pictures = await _shown_by(session, key)
            again = await self._any_is_there([picture.key for picture in pictures])
            await session.execute(delete(VariantRow).where(VariantRow.key == key))
            await session.execute(delete(RenditionRow).where(RenditionRow.key == key))
            ids = [picture.media_id for picture in pictures if picture.status == MediaStatus.READY]
            repair = await self._make_again(session, ids) if again else await _reject_bare(session, ids)
        log.warning("media_rendition_lost", key=key, repair=repair, pictures=len(pictures))
        return repair

    async def mend_original(self, key: str) -> Repair:
        """A READY picture whose original seems lost. With variants left it stays: a shop shows them."""
        if await self._is_there(key):
            return "there"
        async with self._sessions.begin() as session:
            query = select(MediaRow.media_id).where(MediaRow.key == key, MediaRow.status == MediaStatus.READY)
            media_id = await session.scalar(query.with_for_update())
            if media_id is None:
                return "there"
            repair = await _reject_bare(session, [media_id])
        repair = "rejected" if repair == "rejected" else "kept"
        log.error("media_original_lost", key=key, repair=repair, media_id=str(media_id))
        return repair

    async def unused_contents(self, *, after: bytes, limit: int) -> Sequence[bytes]:
        """Contents with renditions that no picture shows, or that no picture has at all; in order of hash."""
        shown = exists().where(VariantRow.key == RenditionRow.key)
        idle = exists().where(
            RenditionRow.sha256 == ContentRow.sha256,
            RenditionRow.created_at < func.now() - _UNUSED_AGE,
            ~shown,
        )
        had = exists().where(MediaRow.sha256 == ContentRow.sha256)
        bare = ContentRow.created_at < func.now() - _UNUSED_AGE
        query = (
            select(ContentRow.sha256)
            .where(ContentRow.sha256 > after, or_(idle, bare & ~had))
            .order_by(ContentRow.sha256)
            .limit(limit)
        )
        async with self._sessions() as session:
            return (await session.scalars(query)).all()

    async def remove_unused(self, sha256: bytes) -> Sequence[str] | None:
        """Removes what no picture uses of a content; a job removes the objects. Keys of the renditions; None,
        and nothing removed, while somebody holds the content.
        """
        async with self._sessions.begin() as session:
            if not await try_lock_content(session, sha256):
                return None
            keys = await MediaRepository(session).delete_unused(sha256)
            if keys:
                await self._jobs.enqueue(session, DELETE_OBJECTS, ObjectsToDelete(tuple(keys)))
        log.info("unused_renditions_removed", sha256=sha256.hex(), keys=keys)
        return keys

    async def _make_again(self, session: AsyncSession, ids: Sequence[uuid.UUID]) -> Repair:
        await session.execute(
            update(MediaRow)
            .where(MediaRow.media_id.in_(ids))
            .values(status=MediaStatus.PROCESSING, updated_at=func.now())
            .execution_options(synchronize_session=False)
        )
        for media_id in ids:
            await self._jobs.enqueue(
                session, PROCESS_MEDIA, MediaToProcess(media_id), unique_key=str(media_id)
            )
        return "again"

    async def _any_is_there(self, keys: Sequence[str]) -> bool:
        for key in keys:
            if await self._is_there(key):
                return True
        return False

    async def _is_there(self, key: str) -> bool:
        try:
            await self._store.head(key)
        except ObjectMissing:
            return False
        return True


async def _shown_by(session: AsyncSession, key: str) -> Sequence[Row[uuid.UUID, str, str]]:
    query = (
        select(MediaRow.media_id, MediaRow.key, MediaRow.status)
        .join(VariantRow, VariantRow.media_id == MediaRow.media_id)
        .where(VariantRow.key == key)
        .order_by(MediaRow.media_id)
    )
    # Nobody else may end or delete them between this look and our writing.
    return (await session.execute(query.with_for_update(of=MediaRow))).all()


async def _reject_bare(session: AsyncSession, ids: Sequence[uuid.UUID]) -> Repair:
    """Rejects those that have no variant left."""
    listed = exists().where(VariantRow.media_id == MediaRow.media_id)
    bare = (await session.scalars(select(MediaRow.media_id).where(MediaRow.media_id.in_(ids), ~listed))).all()
    for media_id in bare:
        await MediaRepository(session).reject(media_id, LOST)
    return "rejected" if bare else "dropped"
