"""Makes the variants of one uploaded picture, once per content. How pixels become bytes is for `pictures`."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs
from server.media import renditions
from server.media.content_types import MAX_BYTES
from server.media.inspection import judge_length
from server.media.media import MediaStatus, Reason, Rejection
from server.media.renditions import Work
from server.media.store import ObjectMissing, ObjectStore, ObjectTooLarge
from server.media.turns import Outcome, Render, Turn

log = structlog.get_logger(__name__)

# A session whose commit is the job's completion as well; what is given becomes its result.
Transaction = Callable[[Any], AbstractAsyncContextManager[AsyncSession]]

_TWINS_ASKED: Final = 5


class Processing:
    """Constructor: sessions, the store, what enqueues, how many seconds one run may take at most."""

    def __init__(self, sessions: Sessions, store: ObjectStore, jobs: Jobs, *, seconds: float) -> None:
        self._sessions = sessions
        self._store = store
        self._jobs = jobs
        self._seconds = seconds

    async def process(self, media_id: uuid.UUID, *, transaction: Transaction, render: Render) -> Outcome:
        """What came of it. Until `transaction` commits nobody sees any of it, and it may be done again.

        The transaction stays open while variants are made, because it is what locks the content: the same
        bytes wait for each other, and whoever comes second finds the variants there. Raises StoreUnavailable
        and whatever `render` raises, having changed no row; objects that nobody has yet are then written
        again, under the same keys, or found by the reconciliation.
        """
        async with self._sessions() as session:
            work = await renditions.find_work(session, media_id)
        if work is None:
            return {"outcome": "gone"}
        if work.status is not MediaStatus.PROCESSING:
            return {"outcome": "nothing to do", "status": work.status.value}
        content, rejection = await self._read(work)
        outcome: Outcome = {}
        async with transaction(outcome) as session:
            await renditions.allow_seconds(session, self._seconds)
            turn = Turn(session, work, self._store, self._jobs)
            if rejection is not None:
                outcome |= await turn.reject(rejection)
            elif content is None:
                outcome |= await turn.do_without()
            else:
                outcome |= await turn.make(content, await _hash(content), render)
        log.info("media_processed", media_id=str(media_id), **outcome)
        return outcome

    async def _read(self, work: Work) -> tuple[bytes | None, Rejection | None]:
        """The original; None when there is none. Or why it is not what was declared.

        A picture that was READY keeps its bytes: what was put in their place afterwards is not looked at.
        """
        content, rejection = await self._read_original(work)
        if work.sha256 is None or (content is not None and await _hash(content) == work.sha256):
            return content, rejection
        return await self._read_twin(work.sha256), None

    async def _read_original(self, work: Work) -> tuple[bytes | None, Rejection | None]:
        try:
            content = await self._store.read(work.key, limit=MAX_BYTES)
        except ObjectTooLarge:
            return None, Rejection(Reason.SIZE_MISMATCH, "The upload has more bytes than were declared.")
        except ObjectMissing:
            return None, None
        if rejection := judge_length(len(content), work.declared_bytes):
            return None, rejection
        if work.declared_sha256 not in (None, await _hash(content)):
            return None, Rejection(
                Reason.CHECKSUM_MISMATCH, "The SHA-256 of the upload is not the one that was declared."
            )
        return content, None

    async def _read_twin(self, sha256: bytes) -> bytes | None:
        """These bytes from another picture's original."""
        async with self._sessions() as session:
            keys = await renditions.originals_of(session, sha256, limit=_TWINS_ASKED)
        for key in keys:
            try:
                content = await self._store.read(key, limit=MAX_BYTES)
            except (ObjectMissing, ObjectTooLarge):
                continue
            if await _hash(content) == sha256:
                return content
        return None


async def _hash(content: bytes) -> bytes:
    return (await asyncio.to_thread(hashlib.sha256, content)).digest()
