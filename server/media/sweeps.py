"""Ends what nobody ended: uploads that were never completed, and pictures whose job got lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import delete, func, select, update

from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs
from server.media.media import MediaStatus
from server.media.models import MediaRow
from server.media.store import ObjectStore
from server.media.tasks import PROCESS_MEDIA, MediaToProcess

log = structlog.get_logger(__name__)

UPLOAD_AGE: Final = timedelta(hours=24)
# Longer than a job runs and waits between two tries. One that is DEAD by then starts anew.
STUCK_AGE: Final = timedelta(hours=1)
BATCH: Final = 200

# Hears how many there were so far, and of what.
Progress = Callable[[int, str], Awaitable[None]]


class UploadSweep:
    """Constructor: sessions, the store, what enqueues. Each batch is committed, so a second run goes on."""

    def __init__(self, sessions: Sessions, store: ObjectStore, jobs: Jobs, *, batch: int = BATCH) -> None:
        self._sessions = sessions
        self._store = store
        self._jobs = jobs
        self._batch = batch

    async def remove_abandoned(self, on_progress: Progress) -> int:
        """Removes pictures that have waited for their upload for a day, and objects of theirs; how many.

        Rows that somebody holds are left for the next time. Raises StoreUnavailable, the batch being kept.
        """
        removed, taken = 0, self._batch
        while taken == self._batch:
            taken = await self._remove_batch()
            removed += taken
            await on_progress(removed, "uploads never completed")
        return removed

    async def resume_stuck(self, on_progress: Progress) -> int:
        """Gives pictures that have been PROCESSING for an hour their job again; how many."""
        resumed, taken = 0, self._batch
        while taken == self._batch:
            taken = await self._resume_batch()
            resumed += taken
            await on_progress(resumed, "pictures whose job is enqueued again")
        return resumed

    async def _remove_batch(self) -> int:
        async with self._sessions.begin() as session:
            query = (
                select(MediaRow.media_id, MediaRow.key)
                .where(
                    MediaRow.status == MediaStatus.PENDING,
                    MediaRow.sha256.is_(None),
                    MediaRow.created_at < func.now() - UPLOAD_AGE,
                )
                .limit(self._batch)
                .with_for_update(skip_locked=True)
            )
            rows = (await session.execute(query)).all()
            if not rows:
                return 0
            # First, so that an object is never without a row: a store that is away rolls all of it back.
            await self._store.delete([row.key for row in rows])
            await session.execute(
                delete(MediaRow).where(MediaRow.media_id.in_([row.media_id for row in rows]))
            )
        log.info("abandoned_uploads_removed", count=len(rows), first=str(rows[0].media_id))
        return len(rows)

    async def _resume_batch(self) -> int:
        async with self._sessions.begin() as session:
            query = (
                select(MediaRow.media_id)
                .where(
                    MediaRow.status == MediaStatus.PROCESSING,
                    MediaRow.updated_at < func.now() - STUCK_AGE,
                )
                .limit(self._batch)
                .with_for_update(skip_locked=True)
            )
            ids = (await session.scalars(query)).all()
            for media_id in ids:
                await self._jobs.enqueue(
                    session, PROCESS_MEDIA, MediaToProcess(media_id), unique_key=str(media_id)
                )
            touched = update(MediaRow).where(MediaRow.media_id.in_(ids)).values(updated_at=func.now())
            await session.execute(touched)
        if ids:
            log.warning("stuck_pictures_resumed", count=len(ids), first=str(ids[0]))
        return len(ids)
