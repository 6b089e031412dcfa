"""Whose turn it is: a smooth weighted round robin over the queues that have work. No I/O lives here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from server.jobs.queues import Queue


@dataclass(slots=True, eq=False)
class Lane:
    """One queue as a worker sees it: whether there may be work, and how many slots are taken."""

    queue: Queue
    hungry: bool = False
    running: int = 0
    credit: int = 0

    @property
    def free(self) -> int:
        """Jobs that could start now."""
        return self.queue.concurrency - self.running

    @property
    def ready(self) -> bool:
        """Whether a claim could bring something and there is room for it."""
        return self.hungry and self.running < self.queue.concurrency


class Lanes:
    """The lanes of one worker, by queue name."""

    def __init__(self, queues: Iterable[Queue]) -> None:
        self._lanes = {queue.name: Lane(queue) for queue in queues}

    def __getitem__(self, queue: str) -> Lane:
        return self._lanes[queue]

    def __contains__(self, queue: str) -> bool:
        return queue in self._lanes

    def names(self) -> Iterable[str]:
        """All queues served."""
        return self._lanes.keys()

    def wake(self, queue: str) -> None:
        """There may be work in the queue."""
        self._lanes[queue].hungry = True

    def wake_all(self) -> None:
        """There may be work anywhere."""
        for lane in self._lanes.values():
            lane.hungry = True

    def listening(self) -> list[str]:
        """Queues whose wake-ups would tell something: there is room, and work is not known of already."""
        return [name for name, lane in self._lanes.items() if not lane.hungry and lane.free > 0]

    def next(self) -> Lane | None:
        """The lane to claim for; None when none is ready.

        Over time each ready lane has its turns in proportion to its weight, spread evenly. A lane that was
        not ready saves nothing up.
        """
        ready = [lane for lane in self._lanes.values() if lane.ready]
        if not ready:
            return None
        for lane in self._lanes.values():
            lane.credit = lane.credit + lane.queue.weight if lane.ready else 0
        chosen = max(ready, key=lambda lane: lane.credit)
        chosen.credit -= sum(lane.queue.weight for lane in ready)
        return chosen
