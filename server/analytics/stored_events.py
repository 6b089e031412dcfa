"""Raw events by id, and dead letters: what is asked of single records. Figures come from the rollups."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import LargeBinary, Row, bindparam, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from server.analytics.models import event_identities, events
from server.streams.models import stream_dead_letters

# A minted id is not in its record: only the request's base id is, which shares all but the last four bytes.
_SHARED_BYTES: Final = 12
_MOST_LETTERS: Final = 100


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be stored. `position`: which of the entry's events it is."""

    stream: str
    entry_id: str
    position: int
    reason: str
    detail: str
    died_at: datetime
    record: bytes


class EventRepository:
    """Raw events as one session sees them."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, event_id: uuid.UUID) -> Row[tuple[object, ...]] | None:
        """The row of the event with this id, or with this id of its client's."""
        known = select(event_identities.c.event_id).where(event_identities.c.client_id == event_id)
        ids = [event_id, await self._session.scalar(known)]
        # Ids as values: only then are the other days' partitions left alone.
        query = select(events).where(events.c.event_id.in_([each for each in ids if each is not None]))
        return (await self._session.execute(query)).first()


class DeadLetterRepository:
    """Dead letters as one session sees them."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def about(self, event_id: bytes, streams: Sequence[str]) -> list[DeadLetter]:
        """Letters of these streams whose records may hold the event, newest first; reads every letter."""
        holds = text("position(:shared IN record) > 0").bindparams(
            bindparam("shared", event_id[:_SHARED_BYTES], type_=LargeBinary)
        )
        query = (
            select(stream_dead_letters)
            .where(stream_dead_letters.c.stream.in_(streams), holds)
            .order_by(stream_dead_letters.c.died_at.desc())
            .limit(_MOST_LETTERS)
        )
        return [_letter(row) for row in await self._session.execute(query)]

    async def page(
        self, reason: str | None, *, size: int, after: tuple[datetime, str, str, int] | None
    ) -> list[DeadLetter]:
        """At most `size` letters that died before `after`, newest first."""
        columns = stream_dead_letters.c
        key = (columns.died_at, columns.stream, columns.entry_id, columns.position)
        query = select(stream_dead_letters).order_by(*(column.desc() for column in key)).limit(size)
        if reason is not None:
            query = query.where(columns.reason == reason)
        if after is not None:
            query = query.where(tuple_(*key) < tuple_(*after))
        return [_letter(row) for row in await self._session.execute(query)]

    async def lock_oldest(
        self, reason: str | None, streams: Sequence[str], *, limit: int
    ) -> list[DeadLetter]:
        """The letters of these streams that died first, held until the transaction ends.

        Letters that somebody else holds just now are left out.
        """
        columns = stream_dead_letters.c
        query = (
            select(stream_dead_letters)
            .where(columns.stream.in_(streams))
            .order_by(columns.died_at, columns.stream, columns.entry_id, columns.position)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        if reason is not None:
            query = query.where(columns.reason == reason)
        return [_letter(row) for row in await self._session.execute(query)]

    async def remove(self, letters: Sequence[DeadLetter]) -> None:
        """Forget letters."""
        columns = stream_dead_letters.c
        keys = [(each.stream, each.entry_id, each.position) for each in letters]
        await self._session.execute(
            stream_dead_letters.delete().where(
                tuple_(columns.stream, columns.entry_id, columns.position).in_(keys)
            )
        )


def _letter(row: Row[tuple[object, ...]]) -> DeadLetter:
    return DeadLetter(**{name: getattr(row, name) for name in DeadLetter.__dataclass_fields__})
