"""The queues there are, how they share a worker, and how many jobs of each one worker runs at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Queue:
    """`weight`: its share of the claims when several have work. `concurrency`: jobs at once in one worker.

    Each queue has slots of its own, so that long jobs of one never keep another waiting for a slot.
    """

    name: str
    weight: int
    concurrency: int


DEFAULT = "default"
CRITICAL = "critical"

QUEUES: Mapping[str, Queue] = {
    queue.name: queue
    for queue in (
        Queue(CRITICAL, weight=8, concurrency=16),
        Queue(DEFAULT, weight=4, concurrency=32),
        Queue("bulk", weight=1, concurrency=8),
        # Its handlers compute in processes of their own: more at once than cores only costs memory.
        Queue("images", weight=2, concurrency=os.cpu_count() or 1),
    )
}


def check_queue(name: str) -> str:
    """The name; raises ValueError, naming those that there are, when no worker would ever serve it."""
    if name not in QUEUES:
        raise ValueError(f"no queue is called {name!r}; there are {', '.join(QUEUES)}")
    return name
