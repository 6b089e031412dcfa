"""Finished jobs on their way to DONE: written in batches, the next collected while one is written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import structlog

from server.jobs.execution import Failure, JobExecution
from workers.leases import HeldJob, Leases
from workers.patience import POSTGRES_FAILURES, Patience

log = structlog.get_logger(__name__)

MOST_PENDING: Final = 256

# Hears of each job whether DONE is written; False means that its lease was lost before.
Written = Callable[[HeldJob, bool], None]


class Completions:
    """Jobs whose handlers left their completion to the worker. Their leases are held until it is written."""

    def __init__(
        self, execution: JobExecution, patience: Patience, leases: Leases, *, written: Written
    ) -> None:
        self._execution = execution
        self._patience = patience
        self._leases = leases
        self._written = written
        # Hears of every batch that was written.
        self.on_room: Callable[[], None] = lambda: None
        self._pending: list[tuple[HeldJob, Any]] = []
        self._writing = 0
        self._any = asyncio.Event()
        self._none = asyncio.Event()
        self._none.set()

    @property
    def full(self) -> bool:
        """Whether so many wait that no more jobs should be started."""
        return len(self._pending) + self._writing >= MOST_PENDING

    def add(self, held: HeldJob, result: Any) -> None:
        """Have it written soon; `result` was checked to be storable JSON."""
        self._pending.append((held, result))
        self._none.clear()
        self._any.set()

    async def wait_empty(self) -> None:
        """Return once everything added is written."""
        await self._none.wait()

    async def write(self) -> None:
        """Write until cancelled."""
        while True:
            await self._any.wait()
            self._any.clear()
            batch, self._pending = self._pending, []
            batch.sort(key=lambda each: each[0].job.job_id)
            self._writing = len(batch)
            await self._write(batch)
            self._writing = 0
            self.on_room()
            if not self._pending:
                self._none.set()

    async def _write(self, batch: Sequence[tuple[HeldJob, Any]]) -> None:
        finished = [(held.job, result) for held, result in batch]
        try:
            accepted = await self._patience.until_answered(partial(self._execution.complete, finished))
        except POSTGRES_FAILURES as error:
            await self._write_apart(batch, error)
            return
        for held, _ in batch:
            self._leases.drop(held)
            self._written(held, held.job.job_id in accepted)

    async def _write_apart(self, batch: Sequence[tuple[HeldJob, Any]], error: BaseException) -> None:
        """One refused result must not keep the others from being written."""
        if len(batch) > 1:
            for each in batch:
                await self._write([each])
            return
        held = batch[0][0]
        log.error("job_result_refused", job_id=str(held.job.job_id), task=held.job.task, error=str(error))
        failure = Failure(f"PostgreSQL refused the result: {error}")
        await self._patience.until_answered(partial(self._execution.fail, held.job, failure, retry_in=None))
        self._leases.drop(held)
        self._written(held, False)
