"""Finds where the store and the rows disagree: both are walked in byte order of keys. Repairs nothing.

What it finds are suspects: both sides change while it walks, so whoever repairs one looks again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import Boolean, Row, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from server.db.engine import Sessions
from server.media.keys import content_of, is_ours
from server.media.media import MediaStatus
from server.media.models import MediaRow, RenditionRow
from server.media.store import ObjectFacts, ObjectStore

# Of each kind so many keys are kept in memory, and repaired in one run; the others are the next run's.
MOST_SUSPECTS: Final = 10_000
_ROWS: Final = 1_000
_TOLD_EACH: Final = 1_000


@dataclass(slots=True)
class Keys:
    """How many keys there were of a kind, and the first of them."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, key: str) -> None:
        """One more."""
        self.count += 1
        if len(self.first) < MOST_SUSPECTS:
            self.first.append(key)


@dataclass(slots=True)
class Differences:
    """`objects`: those of our form. `rows`: those that must have an object. Orphans are objects of our form
    without a row, `old_objects` those that are old enough to be one. Foreign ones are none of our business.
    """

    objects: int = 0
    old_objects: int = 0
    rows: int = 0
    foreign: Keys = field(default_factory=Keys)
    orphans: Keys = field(default_factory=Keys)
    lost_renditions: Keys = field(default_factory=Keys)
    lost_originals: Keys = field(default_factory=Keys)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key that a row has. `expected`: whether its object must be there."""

    key: str
    expected: bool


# Hears how many objects and rows were walked.
Progress = Callable[[int], Awaitable[None]]


async def find_differences(
    sessions: Sessions, store: ObjectStore, *, old_before: datetime, on_progress: Progress
) -> Differences:
    """Walks everything once, a thousand objects and rows in memory. Raises StoreUnavailable.

    Objects written since `old_before` may still get their row, so they are no orphans.
    """
    found, walked = Differences(), 0
    async for stored, row in _merged(_objects(store), _rows(sessions)):
        _count(found, stored, row, old_before)
        walked += 1
        if walked % _TOLD_EACH == 0:
            await on_progress(walked)
    return found


def _count(found: Differences, stored: ObjectFacts | None, row: KeyRow | None, old_before: datetime) -> None:
    if stored is not None and not is_ours(stored.key):
        found.foreign.add(stored.key)
        return
    if stored is not None:
        old = stored.modified_at < old_before
        found.objects += 1
        found.old_objects += old
        if row is None and old:
            found.orphans.add(stored.key)
    if row is not None and row.expected:
        found.rows += 1
        if stored is None:
            lost = found.lost_originals if content_of(row.key) is None else found.lost_renditions
            lost.add(row.key)


async def _merged(
    objects: AsyncIterator[ObjectFacts], rows: AsyncIterator[KeyRow]
) -> AsyncIterator[tuple[ObjectFacts | None, KeyRow | None]]:
    """Every key of either side once, in order; pairs where both have it."""
    stored, row = await anext(objects, None), await anext(rows, None)
    while stored is not None or row is not None:
        # Python orders text by code points, which is the order of its bytes in UTF-8.
        if row is None or (stored is not None and stored.key < row.key):
            yield stored, None
            stored = await anext(objects, None)
        elif stored is None or row.key < stored.key:
            yield None, row
            row = await anext(rows, None)
        else:
            yield stored, row
            stored, row = await anext(objects, None), await anext(rows, None)


async def _objects(store: ObjectStore) -> AsyncIterator[ObjectFacts]:
    async for page in store.pages():
        for stored in page:
            yield stored


async def _rows(sessions: Sessions) -> AsyncIterator[KeyRow]:
    """Pictures and renditions together, in byte order."""
    after, read = "", _ROWS
    while read == _ROWS:
        async with sessions() as session:
            page = await _rows_after(session, after)
        for key, expected in page:
            yield KeyRow(key, expected)
        read = len(page)
        after = page[-1].key if page else after


async def _rows_after(session: AsyncSession, after: str) -> list[Row[str, bool]]:
    # Only what was READY must be there: an upload may never come, and what was refused may go.
    pictures = (
        select(MediaRow.key, (MediaRow.status == MediaStatus.READY).label("expected"))
        .where(MediaRow.key > after)
        .order_by(MediaRow.key)
        .limit(_ROWS)
    )
    variants = (
        select(RenditionRow.key, literal(True, Boolean).label("expected"))
        .where(RenditionRow.key > after)
        .order_by(RenditionRow.key)
        .limit(_ROWS)
    )
    both = union_all(pictures.subquery().select(), variants.subquery().select()).subquery()
    return list((await session.execute(select(both).order_by(both.c.key).limit(_ROWS))).all())
