"""Removes objects that nothing needs any more. Each is looked up just before, so it removes none in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.db.engine import Sessions
from server.media.content_lock import lock_content
from server.media.keys import content_of, is_ours
from server.media.models import MediaRow, RenditionRow
from server.media.store import ObjectStore

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Removal:
    """Keys whose objects are gone now, keys that something has, and keys that we would never write."""

    removed: Sequence[str]
    in_use: Sequence[str]
    foreign: Sequence[str]


class ObjectRemoval:
    """Constructor: sessions and the store."""

    def __init__(self, sessions: Sessions, store: ObjectStore) -> None:
        self._sessions = sessions
        self._store = store

    async def remove(self, keys: Sequence[str]) -> Removal:
        """Removes those that no row has; may be repeated. Raises StoreUnavailable, some being gone then.

        Variants go while their content is locked: a picture that came to share one in the meantime has its
        row by then, or makes it again behind us.
        """
        foreign = [key for key in keys if not is_ours(key)]
        ours = [key for key in keys if is_ours(key)]
        removed = await self._remove_originals([key for key in ours if content_of(key) is None])
        for sha256, variants in _by_content(ours).items():
            removed += await self._remove_variants(sha256, variants)
        if foreign:
            log.warning("foreign_objects_left_alone", keys=foreign[:5], count=len(foreign))
        return Removal(removed, sorted(set(ours) - set(removed)), foreign)

    async def _remove_originals(self, keys: Sequence[str]) -> list[str]:
        # Every picture has an id of its own, so no row ever comes to a key that has lost its own.
        async with self._sessions() as session:
            in_use = set(await session.scalars(select(MediaRow.key).where(MediaRow.key.in_(keys))))
        return await self._delete([key for key in keys if key not in in_use])

    async def _remove_variants(self, sha256: bytes, keys: Sequence[str]) -> list[str]:
        async with self._sessions.begin() as session:
            await lock_content(session, sha256)
            in_use = await _renditions_among(session, keys)
            return await self._delete([key for key in keys if key not in in_use])

    async def _delete(self, keys: list[str]) -> list[str]:
        if keys:
            await self._store.delete(keys)
        return keys


async def _renditions_among(session: AsyncSession, keys: Sequence[str]) -> set[str]:
    return set(await session.scalars(select(RenditionRow.key).where(RenditionRow.key.in_(keys))))


def _by_content(keys: Sequence[str]) -> Mapping[bytes, list[str]]:
    groups: dict[bytes, list[str]] = {}
    for key in keys:
        if (sha256 := content_of(key)) is not None:
            groups.setdefault(sha256, []).append(key)
    return groups
