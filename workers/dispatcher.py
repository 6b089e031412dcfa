"""Claiming: which queue next, how many jobs, and what to do when there is nothing, or no PostgreSQL."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from server.jobs.execution import JobExecution
from workers.lanes import Lane, Lanes
from workers.patience import Patience
from workers.retries import wait_unless
from workers.runner import JobRunner

# Other workers are told of a backlog at most this often for each queue.
_SHARE_SECONDS: Final = 0.1
_SUSPECT_SECONDS: Final = 1.0
# A suspect that lives so long keeps only its own queue's suspects waiting any more.
_ALONE_SECONDS: Final = 5.0
# With wake-ups working this is only a net below the relay's; without them it is how work is found.
POLL_SECONDS: Final = 10.0
POLL_WITHOUT_WAKEUPS_SECONDS: Final = 1.0


class Dispatcher:
    """Claims for the lanes that have work and room, in their turns, and starts what it gets.

    `nudge` tells other workers of a queue that has more than this one can take.
    """

    def __init__(
        self,
        lanes: Lanes,
        *,
        execution: JobExecution,
        runner: JobRunner,
        patience: Patience,
        nudge: Callable[[str], None],
    ) -> None:
        self._lanes = lanes
        self._execution = execution
        self._runner = runner
        self._patience = patience
        self._nudge = nudge
        self._shared_at: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._suspects_possible = asyncio.Event()
        self._suspects: dict[str, asyncio.Task[None]] = {}
        self._wakeups_work = True

    def wake(self, queue: str) -> None:
        """There may be work in the queue."""
        if queue in self._lanes:
            self._lanes.wake(queue)
            self._look()

    def wake_all(self) -> None:
        """There may be work in every queue."""
        self._lanes.wake_all()
        self._look()

    def note_wakeups(self, work: bool) -> None:
        """Whether wake-ups arrive. When they come back, some were missed."""
        self._wakeups_work = work
        self.wake_all()

    def room_made(self) -> None:
        """Some completions are written: a claim may be possible again."""
        self._changed.set()

    async def dispatch(self, stopping: asyncio.Event) -> None:
        """Claim and start until asked to stop. A claim under way is finished, and what it got started."""
        while not stopping.is_set():
            self._changed.clear()
            lane = None if self._runner.completions.full else self._lanes.next()
            if lane is None:
                await self._changed.wait()
            else:
                await self._claim_for(lane)

    async def _claim_for(self, lane: Lane) -> None:
        lane.hungry = False  # before asking: a wake-up that comes meanwhile may tell of something newer
        name, wanted = lane.queue.name, lane.free
        jobs = await self._patience.until_answered(partial(self._execution.claim, name, wanted))
        for job in jobs:
            lane.running += 1
            self._runner.start(job, partial(self._free_slot, lane))
        if len(jobs) == wanted:
            lane.hungry = True
            self._share(name)

    def _share(self, queue: str) -> None:
        now = time.monotonic()
        if now - self._shared_at.get(queue, 0.0) >= _SHARE_SECONDS:
            self._shared_at[queue] = now
            self._nudge(queue)

    def _free_slot(self, lane: Lane) -> None:
        lane.running -= 1
        self._changed.set()

    async def dispatch_suspects(self, stopping: asyncio.Event) -> None:
        """Run jobs that were running when a worker died, one at a time over all queues, until asked to stop.

        If one of them kills this worker too, it takes none with it that was unlucky before.
        """
        while not stopping.is_set():
            await self._suspects_possible.wait()
            self._suspects_possible.clear()
            for queue in self._lanes.names():
                await self._run_suspects(queue, stopping)
            await wait_unless(stopping, _SUSPECT_SECONDS)

    async def _run_suspects(self, queue: str, stopping: asyncio.Event) -> None:
        while not stopping.is_set() and not self._suspect_runs(queue):
            claim = partial(self._execution.claim, queue, 1, suspects=True)
            jobs = await self._patience.until_answered(claim)
            if not jobs:
                return
            running = self._suspects[queue] = self._runner.start(jobs[0], self._changed.set)
            await asyncio.wait({running}, timeout=_ALONE_SECONDS)

    def _suspect_runs(self, queue: str) -> bool:
        running = self._suspects.get(queue)
        return running is not None and not running.done()

    async def poll(self, stopping: asyncio.Event) -> None:
        """Look everywhere at first and now and then, and each second while wake-ups do not arrive.

        Asked to stop, it looks a last time: the others, waiting for something to look for, then see it too.
        """
        looked_at = -math.inf
        while not stopping.is_set():
            now = time.monotonic()
            if not self._wakeups_work or now - looked_at >= POLL_SECONDS:
                looked_at = now
                self.wake_all()
            await wait_unless(stopping, POLL_WITHOUT_WAKEUPS_SECONDS)
        self.wake_all()

    def _look(self) -> None:
        self._changed.set()
        self._suspects_possible.set()
