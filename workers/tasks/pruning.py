"""Prunes the job queue once a day: finished jobs by age, lines of the ledger, runs of schedules."""

from __future__ import annotations

from datetime import timedelta

from server.jobs.declared import Upkeep
from server.jobs.pruning import BATCH_ROWS, DEAD, UNEVENTFUL, Pruning
from workers.job_run import JobRun


class QueuePruning:
    """Constructor: the steps, and after how many days finished jobs go: dead ones, and all others.

    `batch`: jobs or lines that one step takes; more than there are queues times kinds of lines.
    """

    def __init__(self, pruning: Pruning, *, done_days: int, dead_days: int, batch: int = BATCH_ROWS) -> None:
        self._pruning = pruning
        self._ages = ((UNEVENTFUL, timedelta(days=done_days)), (DEAD, timedelta(days=dead_days)))
        self._batch = batch

    async def run(self, run: JobRun[Upkeep]) -> dict[str, int]:
        """How many jobs and lines of the ledger went. Each step is committed, so a second run goes on."""
        jobs = await self._prune_jobs(run)
        lines = await self._sum_up_ledger(run)
        await self._pruning.forget_schedule_runs(older_than=max(age for _, age in self._ages))
        return {"jobs": jobs, "ledger_lines": lines}

    async def _prune_jobs(self, run: JobRun[Upkeep]) -> int:
        pruned = 0
        for queue in await self._pruning.queues():
            for states, age in self._ages:
                taken = self._batch
                while taken == self._batch:
                    taken = await self._pruning.prune(queue, states, older_than=age, limit=self._batch)
                    pruned += taken
                    await run.progress(pruned, note=f"pruning finished jobs of {queue}")
        return pruned

    async def _sum_up_ledger(self, run: JobRun[Upkeep]) -> int:
        taken_in_all = 0
        hours = await self._pruning.spread_hours()
        for done, hour in enumerate(hours):
            await run.progress(done, len(hours), "summing up the ledger, in hours")
            taken = self._batch
            while taken == self._batch:
                taken = await self._pruning.sum_up(hour, limit=self._batch)
                taken_in_all += taken
        return taken_in_all
