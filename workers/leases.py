"""The jobs that this worker holds: renewing their leases, and stopping those it may or shall not finish."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import Any, Final
from uuid import UUID

from server.jobs.execution import ClaimedJob, JobExecution
from workers.patience import Patience

CANCEL_WATCH_SECONDS: Final = 1.0
_BEATS_PER_LEASE: Final = 3


class Ending(Enum):
    """Why a handler is stopped from outside."""

    CANCELLED = auto()
    LOST = auto()
    STOPPED = auto()


@dataclass(slots=True, eq=False)
class HeldJob:
    """A claimed job until its ending is written. Only its handler is ever cancelled, not what follows it."""

    job: ClaimedJob
    since: float = field(default_factory=time.monotonic)
    handler: asyncio.Task[Any] | None = None
    # The handler's last word is on its way to PostgreSQL; it is the answer that decides now.
    settling: bool = False
    ending: Ending | None = None

    def end(self, why: Ending) -> None:
        """Cancel the handler, for the first reason given; without a handler nothing is left to stop."""
        if self.handler is None or self.settling or self.ending is not None:
            return
        self.ending = why
        self.handler.cancel()


class Leases:
    """Constructor: what renews; the lease in seconds, of which a third may pass between two renewals."""

    def __init__(self, execution: JobExecution, patience: Patience, *, lease_seconds: float) -> None:
        self._execution = execution
        self._patience = patience
        self._beat_seconds = lease_seconds / _BEATS_PER_LEASE
        self._held: dict[UUID, HeldJob] = {}
        self._any = asyncio.Event()

    def hold(self, job: ClaimedJob) -> HeldJob:
        """Renew the job's lease from now on, until `drop`."""
        former = self._held.get(job.job_id)
        if former is not None:  # expired here, and came back to us: the older attempt is nobody's
            former.end(Ending.LOST)
        held = self._held[job.job_id] = HeldJob(job)
        self._any.set()
        return held

    def drop(self, held: HeldJob) -> None:
        """The job's ending is written, or is not ours to write."""
        if self._held.get(held.job.job_id) is held:
            del self._held[held.job.job_id]
        if not self._held:
            self._any.clear()

    def held(self) -> list[HeldJob]:
        """All jobs held, in the order of their ids: writers that keep to it never dead-lock each other."""
        return sorted(self._held.values(), key=lambda each: each.job.job_id)

    async def renew(self) -> None:
        """Renew until cancelled. Handlers whose jobs are not ours any more are cancelled."""
        while True:
            await self._any.wait()
            await asyncio.sleep(self._beat_seconds)
            if asked := self.held():
                await self._renew_once(asked)

    async def _renew_once(self, asked: list[HeldJob]) -> None:
        jobs = [each.job for each in asked]
        beat = await self._patience.until_answered(partial(self._execution.renew, jobs))
        _end(asked, beat.cancel_requested, Ending.CANCELLED)
        lost = [each for each in asked if each.job.job_id not in beat.kept]
        for each in lost:
            each.end(Ending.LOST)

    async def watch_cancels(self) -> None:
        """Cancel what operators want stopped, within a second or two, until cancelled itself."""
        while True:
            await self._any.wait()
            await asyncio.sleep(CANCEL_WATCH_SECONDS)
            before = time.monotonic() - CANCEL_WATCH_SECONDS
            asked = [each for each in self.held() if each.since <= before and each.handler is not None]
            if asked:
                jobs = [each.job for each in asked]
                wanted = await self._patience.until_answered(partial(self._execution.cancel_requested, jobs))
                _end(asked, wanted, Ending.CANCELLED)


def _end(asked: Iterable[HeldJob], job_ids: set[UUID], why: Ending) -> None:
    for each in asked:
        if each.job.job_id in job_ids:
            each.end(why)
