"""The net under the wake-ups: once a second, what was due, missed or abandoned becomes READY and is told of.

Any number of relays may run at once; each takes rows that no other holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Boolean, Integer, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from server.jobs.queues import QUEUES
from server.jobs.traces import entering, history_with

BATCH: Final = 1_000
# A job that was running when its worker died this often is taken to be what kills them.
MAX_EXPIRIES: Final = 3

_POISONED = f"expiries + 1 >= {MAX_EXPIRIES}"
_NEXT = f"""
    CASE WHEN cancel_requested_at IS NOT NULL THEN 'CANCELLED' WHEN {_POISONED} THEN 'DEAD' ELSE 'READY' END
"""
_ERROR = f"""
    CASE WHEN {_POISONED} THEN 'the worker died {MAX_EXPIRIES} times while running it'
        ELSE 'the worker died while running it' END
"""
_HISTORY = history_with(outcome="'EXPIRED'", error="'the worker did not renew its lease'")

# One statement, so that a tick with nothing to do is one round trip. `statement_timestamp` is stable and may
# bound an index scan; `clock_timestamp` would read every job that is due some day.
_RELAY = text(f"""
    WITH due AS MATERIALIZED (
        SELECT job_id FROM jobs
        WHERE state IN ('SCHEDULED', 'RETRYING') AND run_at <= statement_timestamp()
        ORDER BY run_at LIMIT :batch FOR UPDATE SKIP LOCKED
    ), promoted AS (
        UPDATE jobs SET state = 'READY' FROM due WHERE jobs.job_id = due.job_id RETURNING queue
    ), abandoned AS MATERIALIZED (
        SELECT job_id FROM jobs
        WHERE :expire AND state = 'RUNNING' AND lease_until < statement_timestamp()
        ORDER BY lease_until LIMIT :batch FOR UPDATE SKIP LOCKED
    ), expired AS (
        UPDATE jobs
        SET state = {_NEXT},
            finished_at = CASE WHEN {_NEXT} <> 'READY' THEN clock_timestamp() END,
            expiries = expiries + 1, lease_until = NULL, error = {_ERROR}, traceback = NULL,
            history = {_HISTORY}
        FROM abandoned
        WHERE jobs.job_id = abandoned.job_id
        RETURNING queue, state, enqueued_at
    ), finished AS (
        SELECT queue, enqueued_at FROM expired WHERE state <> 'READY'
    ), entered AS (
        {entering("FINISHED", "finished")}
    )
    SELECT 'promoted' AS fact, queue, count(*) AS jobs FROM promoted GROUP BY queue
    UNION ALL
    SELECT 'expired', queue, count(*) FROM expired GROUP BY queue
    UNION ALL
    SELECT 'dead', queue, count(*) FROM expired WHERE state = 'DEAD' GROUP BY queue
    UNION ALL
    SELECT 'ready', served.queue, 0 FROM unnest(:queues) AS served (queue)
    WHERE EXISTS (SELECT FROM jobs WHERE jobs.state = 'READY' AND jobs.queue = served.queue)
        AND NOT EXISTS (
            SELECT FROM job_queues WHERE job_queues.queue = served.queue AND paused_at IS NOT NULL
        )
""").bindparams(  # noqa: S608 - constants of ours
    bindparam("batch", type_=Integer),
    bindparam("expire", type_=Boolean),
    bindparam("queues", type_=ARRAY(Text)),
)


@dataclass(frozen=True, slots=True)
class Relayed:
    """What one tick came to, in jobs by queue. `dead` are those of `expired` that will not run again.

    `ready`: queues whose workers should be woken. `full`: more may be waiting, so tick again at once.
    """

    promoted: Counter[str] = field(default_factory=Counter)
    expired: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    ready: frozenset[str] = frozenset()
    full: bool = False


async def relay(
    connection: AsyncConnection,
    *,
    queues: Collection[str] = tuple(QUEUES),
    expire: bool = True,
    batch: int = BATCH,
) -> Relayed:
    """Make READY what is due and what dead workers held, at most `batch` of each, earliest first.

    A job abandoned for the third time ends DEAD, one that an operator wants stopped CANCELLED. Without
    `expire` running jobs are left alone. The connection commits by itself.
    """
    rows = await connection.execute(_RELAY, {"batch": batch, "expire": expire, "queues": list(queues)})
    facts: dict[str, Counter[str]] = {name: Counter() for name in ("promoted", "expired", "dead", "ready")}
    for fact, queue, jobs in rows:
        facts[fact][queue] = jobs
    # The statement saw the queues as they were before it; a wake-up too many is harmless.
    ready = facts["ready"].keys() | facts["promoted"].keys() | facts["expired"].keys()
    return Relayed(
        promoted=facts["promoted"],
        expired=facts["expired"],
        dead=facts["dead"],
        ready=frozenset(ready & set(queues)),
        full=batch in (facts["promoted"].total(), facts["expired"].total()),
    )
