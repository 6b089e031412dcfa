"""Reading what is stored of pictures. Nothing is changed here."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from server.db.engine import Sessions
from server.media.errors import MediaNotFound
from server.media.media import StoredMedia
from server.media.repository import MediaRepository


@dataclass(frozen=True, slots=True)
class MediaFilter:
    """Which pictures a list shows; None does not narrow."""

    entity_type: str | None = None
    entity_id: str | None = None


class MediaService:
    """Finds pictures. Each method is one statement."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def get(self, media_id: uuid.UUID) -> StoredMedia:
        """One picture. Raises MediaNotFound."""
        async with self._sessions() as session:
            media = await MediaRepository(session).find(media_id)
        if media is None:
            raise MediaNotFound
        return media

    async def page(self, wanted: MediaFilter, *, after: uuid.UUID | None, limit: int) -> list[StoredMedia]:
        """At most `limit` pictures in id order, which is that of their creation, behind the id `after`."""
        async with self._sessions() as session:
            return await MediaRepository(session).page(
                after=after, limit=limit, entity_type=wanted.entity_type, entity_id=wanted.entity_id
            )

    async def pictures_of(self, media_ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, StoredMedia]:
        """Those of these pictures that have variants to show, by id; for up to some 5,000 ids at once."""
        if not media_ids:
            return {}
        async with self._sessions() as session:
            found = await MediaRepository(session).shown_among(media_ids)
        return {media.media_id: media for media in found}
