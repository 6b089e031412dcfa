"""Brings the store and the rows together again, and refuses when one side looks as if it were another's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
import structlog

from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs
from server.media.differences import Differences, Keys, find_differences
from server.media.keys import content_of
from server.media.removal import ObjectRemoval
from server.media.repairs import Repair, Repairs
from server.media.store import ObjectStore

log = structlog.get_logger(__name__)

ORPHAN_AGE: Final = timedelta(hours=24)
SHOWN_KEYS: Final = 100
# So many may be lost, or without a row, whatever share of all they are.
_ALWAYS_MENDED: Final = 20
_BATCH: Final = 500

# Hears how many, and of what.
Progress = Callable[[int, str], Awaitable[None]]


class ImplausibleLoss(Exception):  # noqa: N818 - named for what is so
    """More than half of one side is missing: rather a wrong bucket or database than so many accidents."""


class KeysShown(msgspec.Struct, frozen=True):
    """How many there were, and the first of them."""

    count: int
    keys: list[str]


class Report(msgspec.Struct, frozen=True):
    """What was found, and what became of it: `repairs` by kind, as `Repair` has them, and removals."""

    objects: int
    rows: int
    foreign: KeysShown
    orphans: KeysShown
    lost_renditions: KeysShown
    lost_originals: KeysShown
    repairs: dict[str, int]


class Reconciliation:
    """Constructor: sessions, the store, what enqueues. `orphan_age`: objects younger than this may wait for
    their row."""

    def __init__(
        self, sessions: Sessions, store: ObjectStore, jobs: Jobs, *, orphan_age: timedelta = ORPHAN_AGE
    ) -> None:
        self._sessions = sessions
        self._store = store
        self._orphan_age = orphan_age
        self._removal = ObjectRemoval(sessions, store)
        self._repairs = Repairs(sessions, store, jobs)

    async def run(self, on_progress: Progress, *, dry: bool = False) -> Report:
        """Finds all differences, then mends them; only finds them when `dry`.

        Raises ImplausibleLoss before anything is changed, and StoreUnavailable: a listing that breaks off
        changes nothing either.
        """

        async def walked(count: int) -> None:
            await on_progress(count, "objects and rows compared")

        old_before = datetime.now(UTC) - self._orphan_age
        found = await find_differences(self._sessions, self._store, old_before=old_before, on_progress=walked)
        require_plausible(found)
        done = Counter[str]() if dry else await self._mend(found, on_progress)
        return Report(
            objects=found.objects,
            rows=found.rows,
            foreign=_shown(found.foreign),
            orphans=_shown(found.orphans),
            lost_renditions=_shown(found.lost_renditions),
            lost_originals=_shown(found.lost_originals),
            repairs=dict(done),
        )

    async def _mend(self, found: Differences, on_progress: Progress) -> Counter[str]:
        done = Counter[str]()
        for at, key in enumerate(found.lost_renditions.first):
            done[await self._mend_rendition(key)] += 1
            await on_progress(at + 1, "lost renditions looked into")
        # Behind the renditions, so that variants still listed are there.
        for at, key in enumerate(found.lost_originals.first):
            done[await self._repairs.mend_original(key)] += 1
            await on_progress(at + 1, "lost originals looked into")
        orphans = found.orphans.first
        for at in range(0, len(orphans), _BATCH):
            done["removed"] += await self._remove(orphans[at : at + _BATCH])
            await on_progress(at, "orphans looked into")
        done["unused"] += await self._remove_unused(on_progress)
        return done

    async def _mend_rendition(self, key: str) -> Repair:
        sha256 = content_of(key)
        # Only variants are found among the renditions; a row that says otherwise is left to people.
        return "there" if sha256 is None else await self._repairs.mend_rendition(key, sha256)

    async def _remove(self, keys: list[str]) -> int:
        removal = await self._removal.remove(keys)
        for key in removal.removed:
            log.warning("media_orphan_removed", key=key)
        return len(removal.removed)

    async def _remove_unused(self, on_progress: Progress) -> int:
        removed, after = 0, b""
        while contents := await self._repairs.unused_contents(after=after, limit=_BATCH):
            for sha256 in contents:
                # None while somebody makes variants of it: left for the next time.
                removed += len(await self._repairs.remove_unused(sha256) or ())
            after = contents[-1]
            await on_progress(removed, "unused renditions removed")
        return removed


def require_plausible(found: Differences) -> None:
    """Raises ImplausibleLoss when most rows have no object, or most objects no row. A few may go all the
    same, but not when there is no object at all: the pictures of a young shop would be rejected for ever.
    """
    lost = found.lost_renditions.count + found.lost_originals.count
    for missing, of, few, what in (
        (
            lost,
            found.rows,
            _ALWAYS_MENDED if found.objects else 0,
            "rows have no object: is the bucket the one that they were written for?",
        ),
        (
            found.orphans.count,
            found.old_objects,
            _ALWAYS_MENDED,
            "objects have no row: is the database the one that goes with this bucket?",
        ),
    ):
        if missing > few and missing * 2 > of:
            log.error("media_reconciliation_refused", missing=missing, of=of, objects=found.objects)
            raise ImplausibleLoss(f"nothing was repaired, because {missing} of {of} {what}")


def _shown(keys: Keys) -> KeysShown:
    return KeysShown(keys.count, keys.first[:SHOWN_KEYS])
