"""The ending of one picture's turn, within the transaction that locks its content and completes its job."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from server.jobs.enqueueing import Jobs
from server.media import renditions
from server.media.content_lock import lock_content
from server.media.content_types import VARIANT_TYPES
from server.media.inspection import type_of
from server.media.keys import IMMUTABLE, variant_key
from server.media.media import LOST, Content, MediaStatus, Reason, Rejection, StoredVariant
from server.media.pictures.rendering import Refused, Rendered, RenderedVariant
from server.media.recipes import Recipes
from server.media.renditions import Work
from server.media.repository import MediaRepository
from server.media.store import ObjectStore
from server.media.tasks import DELETE_OBJECTS, PROCESS_MEDIA, MediaToProcess, ObjectsToDelete

log = structlog.get_logger(__name__)

# Makes these variants of some bytes that are declared to be of this type.
Render = Callable[[bytes, str, Recipes], Awaitable[Rendered | Refused]]
Outcome = dict[str, Any]

_UPLOADS_AT_ONCE: Final = 4


class Turn:
    """One picture within the transaction that ends its job."""

    def __init__(self, session: AsyncSession, work: Work, store: ObjectStore, jobs: Jobs) -> None:
        self._session = session
        self._work = work
        self._store = store
        self._jobs = jobs

    async def make(self, content: bytes, sha256: bytes, render: Render) -> Outcome:
        """Makes and stores what is missing, and lists it with what is there."""
        work, session = self._work, self._session
        await lock_content(session, sha256)
        there = await renditions.finished_keys(session, sha256)
        missing = tuple(recipe for recipe in work.wanted if variant_key(sha256, recipe) not in there)
        if not missing and await renditions.is_known(session, sha256):
            # They were judged when they came first, but not by the type that this picture declares.
            if type_of(content) != work.content_type:
                return await self.reject(_wrong_type(work.content_type))
            return await self._settle(sha256, None, ())
        answer = await render(content, work.content_type, missing)
        if isinstance(answer, Refused):
            return await self._refuse(sha256, missing, Rejection(Reason(answer.reason), answer.detail))
        made = await self._upload(sha256, missing, answer.variants)
        found = Content(sha256, answer.width, answer.height, answer.thumbhash, answer.dominant_color)
        return await self._settle(sha256, found, made)

    async def do_without(self) -> Outcome:
        """Ends the turn of a picture whose bytes are nowhere in the store."""
        work, session = self._work, self._session
        if work.sha256 is not None:
            await lock_content(session, work.sha256)
        current = await self._lock()
        if current is None:
            return {"outcome": "gone"}
        if current.sha256 is None:
            await renditions.make_pending(session, work.media_id)
            return {"outcome": MediaStatus.PENDING.value, "why": "nothing is uploaded under its key"}
        log.error("media_original_lost", media_id=str(work.media_id), key=work.key)
        return await self._keep_finished(current.sha256, current.wanted) or await self._reject(LOST)

    async def reject(self, rejection: Rejection) -> Outcome:
        """REJECTED, unless somebody else ended the picture meanwhile."""
        return {"outcome": "gone"} if await self._lock() is None else await self._reject(rejection)

    async def _refuse(self, sha256: bytes, refused: Recipes, rejection: Rejection) -> Outcome:
        """REJECTED; but a picture that is shown already keeps what it has, since these very bytes were taken
        before: only what was asked for in addition takes too much. What was asked for meanwhile is made next.
        """
        current = await self._lock()
        if current is None:
            return {"outcome": "gone"}
        if current.sha256 != sha256:
            return await self._reject(rejection)
        left = tuple(each for each in current.wanted if each not in refused)
        if any(each not in self._work.wanted for each in left):
            await renditions.want_only(self._session, self._work.media_id, left)
            await self._again()
            return {"outcome": "again", "refused": rejection.reason.value}
        kept = await self._keep_finished(sha256, current.wanted)
        return kept | {"refused": rejection.reason.value} if kept else await self._reject(rejection)

    async def _keep_finished(self, sha256: bytes, wanted: Recipes) -> Outcome | None:
        """READY with those of the variants that are there; None when there is none."""
        there = await renditions.finished_keys(self._session, sha256)
        left = tuple(each for each in wanted if variant_key(sha256, each) in there)
        if not left:
            return None
        await renditions.want_only(self._session, self._work.media_id, left)
        return await self._list(sha256, left, made=0)

    async def _reject(self, rejection: Rejection) -> Outcome:
        await MediaRepository(self._session).reject(self._work.media_id, rejection)
        return {"outcome": MediaStatus.REJECTED.value, "reason": rejection.reason.value}

    async def _upload(
        self, sha256: bytes, recipes: Recipes, variants: Sequence[RenderedVariant]
    ) -> list[StoredVariant]:
        """All of them, or StoreUnavailable."""
        made = [
            StoredVariant(
                name=recipe.name,
                key=variant_key(sha256, recipe),
                width=variant.width,
                height=variant.height,
                bytes=len(variant.body),
                format=recipe.format,
            )
            for recipe, variant in zip(recipes, variants, strict=True)
        ]
        room = asyncio.Semaphore(_UPLOADS_AT_ONCE)

        async def write(stored: StoredVariant, recipe_type: str, body: bytes) -> None:
            async with room:
                await self._store.write(stored.key, body, content_type=recipe_type, cache_control=IMMUTABLE)

        writes = [
            write(stored, VARIANT_TYPES[recipe.format], variant.body)
            for stored, recipe, variant in zip(made, recipes, variants, strict=True)
        ]
        await _all(writes)
        return made

    async def _settle(self, sha256: bytes, found: Content | None, made: Sequence[StoredVariant]) -> Outcome:
        """READY; or what a deletion or another call of the meantime makes of it. All objects are there."""
        current = await self._lock()
        wanted = current.wanted if current else ()
        needed = {variant_key(sha256, recipe) for recipe in wanted}
        await self._discard([variant.key for variant in made if variant.key not in needed])
        if current is None:
            return {"outcome": "gone"}
        if found is not None:
            await renditions.add_renditions(
                self._session, found, [variant for variant in made if variant.key in needed]
            )
        if wanted != self._work.wanted:
            await self._again()
            return {"outcome": "again", "why": "other variants were asked for meanwhile"}
        return await self._list(sha256, wanted, made=len(made))

    async def _list(self, sha256: bytes, recipes: Recipes, *, made: int) -> Outcome:
        variants = [(recipe.name, variant_key(sha256, recipe)) for recipe in recipes]
        await renditions.make_ready(self._session, self._work.media_id, sha256, variants)
        return {"outcome": MediaStatus.READY.value, "made": made, "reused": len(variants) - made}

    async def _lock(self) -> Work | None:
        """The picture as it is now, nobody else's until the end; None when it is not ours to change."""
        current = await renditions.find_work(self._session, self._work.media_id, lock=True)
        return current if current and current.status is MediaStatus.PROCESSING else None

    async def _discard(self, keys: Sequence[str]) -> None:
        if keys:
            await self._jobs.enqueue(self._session, DELETE_OBJECTS, ObjectsToDelete(tuple(keys)))

    async def _again(self) -> None:
        media_id = self._work.media_id
        await self._jobs.enqueue(
            self._session, PROCESS_MEDIA, MediaToProcess(media_id), unique_key=str(media_id)
        )


async def _all(calls: Sequence[Awaitable[None]]) -> None:
    """Waits for every one, then raises the first failure itself: retries go by its type."""
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


def _wrong_type(declared: str) -> Rejection:
    return Rejection(Reason.WRONG_TYPE, f"The bytes are of another type than {declared}, which was declared.")
