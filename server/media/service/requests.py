"""Having variants made of an upload: verified, written down, left to a job. Workers make them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs
from server.media.errors import MediaNotFound, TooManyVariants, UploadMissing
from server.media.keys import variant_key
from server.media.media import MediaStatus, Rejection, StoredMedia
from server.media.recipes import MAX_VARIANTS, Recipes, VariantSets, merged, set_for
from server.media.repository import MediaRepository
from server.media.service.asked_variants import AskedVariant, recipes_asked_for
from server.media.service.verification import verify_upload
from server.media.store import ObjectStore, StoreUnavailable
from server.media.tasks import PROCESS_MEDIA, MediaToProcess

log = structlog.get_logger(__name__)

# A repeated call after so long asks for the job again, in case it is dead; a waiting one takes it in.
_OVERDUE: Final = timedelta(minutes=1)
_FIRST_LOOK_SECONDS: Final = 0.02
_LAST_LOOK_SECONDS: Final = 0.2


class VariantRequests:
    """Asks for variants, each at most once. No transaction is open while the store is asked."""

    def __init__(self, sessions: Sessions, *, store: ObjectStore, jobs: Jobs, sets: VariantSets) -> None:
        self._sessions = sessions
        self._store = store
        self._jobs = jobs
        self._sets = sets

    async def request(self, reference: uuid.UUID | str, asked: Sequence[AskedVariant]) -> StoredMedia:
        """Ask for variants of the picture with this id or key; returns it as it is stored then.

        Raises MediaNotFound, VariantUnknown, UploadMissing and TooManyVariants. REJECTED pictures stay so.
        A store that is away does not keep the job from being left: it verifies everything again.
        """
        media = await self._find(reference)
        recipes = recipes_asked_for(asked, set_for(media.entity_type, self._sets))
        rejection = await self._verify(media) if media.status is MediaStatus.PENDING else None
        async with self._sessions.begin() as session:
            return await self._record(session, media.media_id, recipes, rejection)

    async def finished(self, media_id: uuid.UUID, *, within: float) -> StoredMedia:
        """The picture once it is no longer PROCESSING, or as it is after `within` seconds.

        Raises MediaNotFound when it was deleted, UploadMissing when the job found nothing to work on.
        """
        end_at = asyncio.get_running_loop().time() + within
        pause = _FIRST_LOOK_SECONDS
        while await self._status(media_id) is MediaStatus.PROCESSING:
            left = end_at - asyncio.get_running_loop().time()
            if left <= 0:
                break
            await asyncio.sleep(min(pause, left))
            pause = min(2 * pause, _LAST_LOOK_SECONDS)
        media = await self._find(media_id)
        if media.status is MediaStatus.PENDING:
            raise UploadMissing
        return media

    async def _find(self, reference: uuid.UUID | str) -> StoredMedia:
        async with self._sessions() as session:
            repository = MediaRepository(session)
            if isinstance(reference, str):
                media = await repository.find_by_key(reference)
            else:
                media = await repository.find(reference)
        if media is None:
            raise MediaNotFound
        return media

    async def _status(self, media_id: uuid.UUID) -> MediaStatus | None:
        async with self._sessions() as session:
            return await MediaRepository(session).status(media_id)

    async def _verify(self, media: StoredMedia) -> Rejection | None:
        try:
            return await verify_upload(self._store, media)
        except StoreUnavailable as error:
            log.warning("upload_not_verified", media_id=str(media.media_id), error=str(error))
            return None

    async def _record(
        self, session: AsyncSession, media_id: uuid.UUID, recipes: Recipes, rejection: Rejection | None
    ) -> StoredMedia:
        repository = MediaRepository(session)
        media = await repository.lock(media_id)
        if media is None:
            raise MediaNotFound
        if media.status is MediaStatus.PENDING and rejection is not None:
            await repository.reject(media_id, rejection)
            return await repository.read(media_id)
        wanted = merged(media.wanted, recipes)
        if media.status is MediaStatus.REJECTED or _is_complete(media, wanted):
            return media
        if media.status is MediaStatus.PROCESSING and wanted == media.wanted:
            if datetime.now(UTC) - media.updated_at > _OVERDUE:
                await self._leave_to_a_job(session, media_id)
            return media
        if len(wanted) > MAX_VARIANTS:
            raise TooManyVariants(MAX_VARIANTS)
        await repository.want(media_id, wanted)
        await self._leave_to_a_job(session, media_id)
        return await repository.read(media_id)

    async def _leave_to_a_job(self, session: AsyncSession, media_id: uuid.UUID) -> None:
        await self._jobs.enqueue(session, PROCESS_MEDIA, MediaToProcess(media_id), unique_key=str(media_id))


def _is_complete(media: StoredMedia, wanted: Recipes) -> bool:
    """Whether the picture is READY with every variant wanted, made by these very recipes."""
    if media.status is not MediaStatus.READY or media.content is None:
        return False
    sha256 = media.content.sha256
    finished = {(variant.name, variant.key) for variant in media.variants}
    return finished >= {(recipe.name, variant_key(sha256, recipe)) for recipe in wanted}
