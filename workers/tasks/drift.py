"""Proves once an hour that what was counted agrees with the raw rows, and sets the live counters right."""

from __future__ import annotations

from typing import Final

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy.ext.asyncio import AsyncEngine

from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis
from server.analytics.differences import Proof
from server.analytics.drift import LiveSide, Outcome, prove
from server.analytics.live_truth import restate_hours
from server.analytics.rebuild import Kept
from server.analytics.tasks import DriftProof as Payload
from server.jobs.tasks import PermanentFailure
from workers.job_run import JobRun
from workers.tasks.events import bare_connection

_TOLD: Final = 5
_LOGGED: Final = 100
_DAY_HOURS: Final = 24

DIFFERENCES = Gauge(
    "millrace_analytics_differences",
    "Counts that differed at the last proof: live counters of Redis, or rows of PostgreSQL.",
    ("side",),
)
RESTATED = Counter(
    "millrace_analytics_restated_hours", "Hours whose live counters were set right from PostgreSQL."
)

log = structlog.get_logger(__name__)


class DriftJob:
    """Constructor: the engine, where the live counters are, for how long raw rows are kept."""

    def __init__(self, engine: AsyncEngine, redis: PipeliningRedis, keys: StreamKeys, *, kept: Kept) -> None:
        self._engine = engine
        self._redis = redis
        self._keys = keys
        self._kept = kept

    async def run(self, run: JobRun[Payload]) -> dict[str, int]:
        """How much was compared, and how many live hours were restated.

        Live counters that differ are told of and set right. Raises PermanentFailure with the first
        differences within PostgreSQL, so that a dead job calls for somebody: only a rebuild mends these.
        """

        async def show(done: int, total: int) -> None:
            await run.progress(done, total, "days compared")

        hours = run.payload.hours
        async with bare_connection(self._engine) as connection:
            outcome = await prove(
                connection,
                LiveSide(self._redis, self._keys, hours),
                kept=self._kept,
                # Two days back and the running one.
                days=hours // _DAY_HOURS + 1,
                on_progress=show,
            )
            _tell(run, outcome.proof)
            restated = await restate_hours(connection, self._redis, self._keys, outcome.to_restate)
        RESTATED.inc(restated)
        return _result(outcome, restated)


def _tell(run: JobRun[Payload], proof: Proof) -> None:
    live = sum(each.is_live for each in proof.differences)
    DIFFERENCES.labels("live").set(live)
    DIFFERENCES.labels("postgres").set(len(proof.differences) - live)
    for note in proof.notes:
        log.warning("drift_not_proven", reason=note)
        run.log(note)
    for difference in proof.differences[:_LOGGED]:
        log.error("counts_differ", difference=str(difference))
        run.log(str(difference))


def _result(outcome: Outcome, restated: int) -> dict[str, int]:
    proof = outcome.proof
    lasting = [str(each) for each in proof.differences if not each.is_live]
    if lasting:
        more = f"; {len(lasting)} in all" if len(lasting) > _TOLD else ""
        raise PermanentFailure("; ".join(lasting[:_TOLD]) + more)
    return {
        "counts": proof.counts,
        "rows": proof.rows,
        "live_hours": proof.live_hours,
        "live_differences": len(proof.differences),
        "restated_hours": restated,
    }
