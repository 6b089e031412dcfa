"""Which function runs which task. Tasks are declared by domains; handlers are built when a worker starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar

import msgspec

from server.jobs.tasks import Task
from workers.job_run import JobRun

P = TypeVar("P", bound=msgspec.Struct)

# Runs a job at least once, so its effects must bear repetition; returns what JSON can hold.
Handler = Callable[[JobRun[P]], Awaitable[Any]]


class Handlers:
    """The handlers of one worker, by task name."""

    def __init__(self) -> None:
        self._by_name: dict[str, tuple[Task[Any], Handler[Any]]] = {}

    def add(self, task: Task[P], handler: Handler[P]) -> None:
        """Let the handler run jobs of the task. Raises ValueError when the task has one already."""
        if task.name in self._by_name:
            raise ValueError(f"{task.name} has a handler already")
        self._by_name[task.name] = (task, handler)

    def find(self, name: str) -> tuple[Task[Any], Handler[Any]] | None:
        """The task of this name with its handler; None when this worker does not know it."""
        return self._by_name.get(name)

    def names(self) -> Collection[str]:
        """All tasks that can be run."""
        return self._by_name.keys()
