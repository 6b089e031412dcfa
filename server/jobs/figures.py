"""How each queue is doing, asked of PostgreSQL in two statements. What a worker counts is not here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from server.jobs.models import JobState
from server.jobs.queues import QUEUES

# DONE and CANCELLED ones wait for nothing but their pruning, and there may be millions.
COUNTED = (JobState.SCHEDULED, JobState.READY, JobState.RUNNING, JobState.RETRYING, JobState.DEAD)
SAMPLE = 10_000

_DEPTHS = text("""
    SELECT queue, state, count(*) AS jobs,
        greatest(0, extract(epoch FROM clock_timestamp() - min(run_at)))::float8 AS age
    FROM jobs WHERE state = ANY(:states) AND (CAST(:queue AS text) IS NULL OR queue = :queue)
    GROUP BY queue, state
""").bindparams(bindparam("states", type_=ARRAY(Text)))

# now() and not clock_timestamp(): only a time that stands still can be looked up in an index.
_FLOWS = text(f"""
    SELECT asked.queue, paused_at, paused_by, done_last_minute, waits, runs, failed, ended
    FROM unnest(:queues) AS asked (queue)
    LEFT JOIN job_queues USING (queue)
    CROSS JOIN LATERAL (
        SELECT count(*) AS done_last_minute FROM jobs
        WHERE jobs.queue = asked.queue AND state = 'DONE' AND finished_at > now() - interval '1 minute'
    ) AS minute
    CROSS JOIN LATERAL (
        SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY wait) AS waits,
            percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY run) AS runs
        FROM (
            SELECT greatest(0, extract(epoch FROM started_at - run_at)) AS wait,
                extract(epoch FROM finished_at - started_at) AS run
            FROM jobs
            WHERE jobs.queue = asked.queue AND finished_at > now() - interval '1 hour'
                AND state <> 'CANCELLED' AND started_at IS NOT NULL
            ORDER BY finished_at DESC LIMIT {SAMPLE}
        ) AS finished
    ) AS spread
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(bad), 0) AS failed, coalesce(sum(bad + good), 0) AS ended
        FROM (
            (
                SELECT history, (state = 'DONE')::int AS good FROM jobs
                WHERE jobs.queue = asked.queue AND finished_at > now() - interval '1 hour'
                ORDER BY finished_at DESC LIMIT {SAMPLE}
            )
            UNION ALL
            (
                SELECT history, 0 FROM jobs
                WHERE jobs.queue = asked.queue AND state IN ('RETRYING', 'RUNNING') LIMIT {SAMPLE}
            )
        ) AS tried
        CROSS JOIN LATERAL (
            SELECT count(*) AS bad FROM jsonb_array_elements(history) AS turn
            WHERE turn->>'outcome' IN ('FAILED', 'EXPIRED')
                AND (turn->>'ended_at')::timestamptz > now() - interval '1 hour'
        ) AS counted
    ) AS outcomes
""").bindparams(bindparam("queues", type_=ARRAY(Text)))  # noqa: S608 - a number of ours


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of a duration, in seconds."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """A queue now. `depth`: jobs of each counted state. `failure_rate`: of the runs that ended within the
    last hour, None when none did. `wait` and `run`: of jobs finished within it, None without any."""

    queue: str
    paused_at: datetime | None
    paused_by: str | None
    depth: Mapping[str, int]
    oldest_ready_age: float | None
    throughput: float
    failure_rate: float | None
    wait: Spread | None
    run: Spread | None


async def read_figures(session: AsyncSession, queue: str | None = None) -> list[QueueFigures]:
    """Of one queue, or of all: the most urgent first, behind them names that only stored jobs still know."""
    depths: dict[str, dict[str, int]] = {}
    ages: dict[str, float] = {}
    for row in await session.execute(_DEPTHS, {"states": [state.value for state in COUNTED], "queue": queue}):
        depths.setdefault(row.queue, {})[row.state] = row.jobs
        if row.state == JobState.READY:
            ages[row.queue] = row.age
    names = [queue] if queue is not None else _in_order(depths)
    flows = {row.queue: row for row in await session.execute(_FLOWS, {"queues": names})}
    return [
        QueueFigures(
            queue=name,
            paused_at=flows[name].paused_at,
            paused_by=flows[name].paused_by if flows[name].paused_at else None,
            depth=depths.get(name, {}),
            oldest_ready_age=ages.get(name),
            throughput=flows[name].done_last_minute / 60,
            failure_rate=float(flows[name].failed / flows[name].ended) if flows[name].ended else None,
            wait=_spread(flows[name].waits),
            run=_spread(flows[name].runs),
        )
        for name in names
    ]


def _in_order(stored: Mapping[str, object]) -> list[str]:
    known = sorted(QUEUES, key=lambda name: -QUEUES[name].weight)
    return known + sorted(stored.keys() - QUEUES.keys())


def _spread(percentiles: Sequence[float] | None) -> Spread | None:
    # PostgreSQL answers NULL for no rows at all.
    return None if percentiles is None else Spread(*map(float, percentiles))
