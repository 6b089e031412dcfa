"""Deleting pictures: rows at once, objects by a job that looks again before it removes any."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs
from server.media.content_lock import lock_content
from server.media.errors import MediaNotFound
from server.media.repository import MediaRepository
from server.media.tasks import DELETE_OBJECTS, ObjectsToDelete

# Payloads have a limit; keys have 140 letters at most.
_KEYS_PER_JOB: Final = 1_000
_ATTEMPTS: Final = 5


class DeletionService:
    """Deletes pictures together with those of their variants that no other picture shares."""

    def __init__(self, sessions: Sessions, jobs: Jobs) -> None:
        self._sessions = sessions
        self._jobs = jobs

    async def delete(self, media_id: uuid.UUID) -> None:
        """Delete one picture. Raises MediaNotFound."""
        for _ in range(_ATTEMPTS):
            try:
                async with self._sessions.begin() as session:
                    await self._delete(session, media_id)
            except _ContentFound:
                continue
            return
        raise _ContentFound

    async def _delete(self, session: AsyncSession, media_id: uuid.UUID) -> None:
        repository = MediaRepository(session)
        # Content first, then the row, as those who finish pictures do: neither waits crosswise.
        sha256 = await repository.content_hash(media_id)
        if sha256 is not None:
            await lock_content(session, sha256)
        deleted = await repository.delete(media_id)
        if deleted is None:
            raise MediaNotFound
        if deleted.sha256 != sha256:
            raise _ContentFound
        keys = await repository.delete_unused(sha256) if sha256 is not None else []
        await self._leave_objects_to_jobs(session, [deleted.key, *keys])

    async def _leave_objects_to_jobs(self, session: AsyncSession, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), _KEYS_PER_JOB):
            some = tuple(keys[start : start + _KEYS_PER_JOB])
            await self._jobs.enqueue(session, DELETE_OBJECTS, ObjectsToDelete(some))


class _ContentFound(Exception):  # noqa: N818 - it names what happened
    """The content became known between reading it and deleting the row, so that another lock is needed."""
