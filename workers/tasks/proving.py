"""Proves once an hour that no job was lost, and is loud when one was."""

from __future__ import annotations

from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from server.jobs.declared import Upkeep
from server.jobs.prove import prove
from server.jobs.tasks import PermanentFailure
from workers.job_run import JobRun

_TOLD: Final = 5

log = structlog.get_logger(__name__)


class Proof:
    """Constructor: the engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, run: JobRun[Upkeep]) -> dict[str, int]:
        """How many jobs of how many queues and hours add up.

        Raises PermanentFailure with the first differences, so that a dead job calls for somebody: trying
        again would find the same.
        """
        balances = await prove(self._engine)
        wrong = [str(each) for balance in balances for each in balance.differences()]
        for line in wrong:
            log.error("jobs_do_not_add_up", difference=line)
            run.log(line)
        if wrong:
            raise PermanentFailure(
                "; ".join(wrong[:_TOLD]) + (f"; {len(wrong)} in all" if len(wrong) > _TOLD else "")
            )
        return {"balances": len(balances), "jobs": sum(each.enqueued for each in balances)}
