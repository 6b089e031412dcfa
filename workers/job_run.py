"""One run of one job, as its handler sees it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Generic, TypeVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from server.db.engine import Sessions
from server.jobs.execution import MAX_LINE_LENGTH, ClaimedJob, JobExecution
from server.jobs.tasks import result_json
from workers.confined import ConfinedCalls, Limits
from workers.leases import HeldJob
from workers.patience import POSTGRES_FAILURES
from workers.process_slots import ProcessSlots

P = TypeVar("P", bound=msgspec.Struct)
Value = TypeVar("Value")

_SAVE_SECONDS: Final = 1.0
_MOST_UNSAVED_LINES: Final = 200


class JobRun(Generic[P]):
    """What a handler is given. It is good for the one call only."""

    def __init__(
        self,
        held: HeldJob,
        payload: P,
        *,
        execution: JobExecution,
        sessions: Sessions,
        slots: ProcessSlots,
        confined: ConfinedCalls,
    ) -> None:
        self.payload = payload
        self.completed = False
        self._held = held
        self._execution = execution
        self._sessions = sessions
        self._slots = slots
        self._confined = confined
        self._progress: tuple[int | None, int | None, str | None] | None = None
        self._lines: list[str] = []
        self._saver: asyncio.Task[None] | None = None
        self._saved_at = 0.0
        self._saving = asyncio.Lock()

    @property
    def job(self) -> ClaimedJob:
        """The job as it was claimed."""
        return self._held.job

    @property
    def attempt(self) -> int:
        """Which claim of the job this is, from 1; the fencing token for effects outside PostgreSQL."""
        return self._held.job.attempt

    @asynccontextmanager
    async def transaction(self, result: Any = None) -> AsyncIterator[AsyncSession]:
        """A session whose commit is the job's completion too: effects and DONE are there together or not.

        Open no second session within it: runs that hold a connection each would wait for each other's. It
        completes when the block ends, once per run, and stores `result`, which may be filled until then.
        Raises LostLease, having rolled back, when the job is not ours any more, and MalformedPayload for a
        result that cannot be stored.
        """
        if self.completed:
            raise RuntimeError("the job was completed by an earlier transaction of this run")
        try:
            async with self._sessions.begin() as session:
                yield session
                result_json(result)
                await self.save()
                self._held.settling = True
                await self._execution.complete_in(session, self.job, result)
            self.completed = True
        finally:
            self._held.settling = self.completed

    async def progress(self, done: int, total: int | None = None, note: str = "") -> None:
        """Show how far the job is. Saved at most each second, so call it as often as you like."""
        self._progress = (done, total, str(note))
        self._save_soon()
        await asyncio.sleep(0)  # a place where the handler can be cancelled

    def log(self, line: str) -> None:
        """Add a line to the job's log for operators; the newest 200 are kept, cut at 2,000 letters."""
        self._lines = [*self._lines[1 - _MOST_UNSAVED_LINES :], str(line)[:MAX_LINE_LENGTH]]
        self._save_soon()

    async def in_process(self, call: Callable[..., Value], *args: Any) -> Value:
        """Call a function of a module in a process of its own: for work that computes.

        What is given and returned is pickled on the way. The process is killed with the run.
        """
        return await self._slots.run(call, *args)

    async def confined(self, call: Callable[[bytes], bytes], question: bytes, limits: Limits) -> bytes:
        """Call a function of a module in a fresh process under limits: for bytes that strangers made.

        Raises what `ConfinedCalls.run` does. The process is killed with the run.
        """
        return await self._confined.run(call, question, limits)

    async def save(self) -> None:
        """Save progress and log lines now. A PostgreSQL that is away costs no more than these."""
        if self._saver is not None:
            self._saver.cancel()
            self._saver = None
        await self._save()

    def _save_soon(self) -> None:
        if self._saver is None:
            self._saver = asyncio.create_task(self._save_later())

    async def _save_later(self) -> None:
        await asyncio.sleep(max(0.0, self._saved_at + _SAVE_SECONDS - time.monotonic()))
        self._saver = None
        await self._save()

    async def _save(self) -> None:
        # In turn: two at once reach PostgreSQL in any order, and the older one might have the last word.
        async with self._saving:
            if self._progress is None and not self._lines:
                return
            done, total, note = self._progress or (None, None, None)
            lines = self._lines
            self._progress, self._lines, self._saved_at = None, [], time.monotonic()
            with contextlib.suppress(*POSTGRES_FAILURES):
                await self._execution.save_progress(self.job, done=done, total=total, note=note, log=lines)
