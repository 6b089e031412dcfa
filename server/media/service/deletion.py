"""Deleting pictures: rows at once, objects by a job that looks again before it removes any."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs
from server.media.content_lock import try_lock_content
from server.media.errors import MediaNotFound
from server.media.repository import MediaRepository
from server.media.tasks import DELETE_OBJECTS, DELETE_UNUSED, ContentLeft, ObjectsToDelete

# Payloads have a limit; keys have 140 letters at most.
_KEYS_PER_JOB: Final = 1_000


class DeletionService:
    """Deletes pictures together with those of their variants that no other picture shares."""

    def __init__(self, sessions: Sessions, jobs: Jobs) -> None:
        self._sessions = sessions
        self._jobs = jobs

    async def delete(self, media_id: uuid.UUID) -> None:
        """Delete one picture. Raises MediaNotFound."""
        async with self._sessions.begin() as session:
            repository = MediaRepository(session)
            deleted = await repository.delete(media_id)
            if deleted is None:
                raise MediaNotFound
            keys = [deleted.key]
            if deleted.sha256 is not None:
                keys += await self._delete_unused(session, deleted.sha256)
            await self._leave_objects_to_jobs(session, keys)

    async def _delete_unused(self, session: AsyncSession, sha256: bytes) -> Sequence[str]:
        """Keys of the variants that went along. Somebody may be drawing this content for a minute or two, and
        nobody waits for that here: a job looks once that is over.
        """
        if await try_lock_content(session, sha256):
            return await MediaRepository(session).delete_unused(sha256)
        await self._jobs.enqueue(session, DELETE_UNUSED, ContentLeft(sha256), unique_key=sha256.hex())
        return ()

    async def _leave_objects_to_jobs(self, session: AsyncSession, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), _KEYS_PER_JOB):
            some = tuple(keys[start : start + _KEYS_PER_JOB])
            await self._jobs.enqueue(session, DELETE_OBJECTS, ObjectsToDelete(some))
