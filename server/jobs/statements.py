"""The SQL of running jobs. Each statement is one round trip and leaves the ledger true."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, Interval, Text, TextClause, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from server.jobs.traces import LOG_WITH, entering, history_with

_IDS = bindparam("ids", type_=ARRAY(Uuid))
_ATTEMPTS = bindparam("attempts", type_=ARRAY(Integer))
_TOKENS = "unnest(:ids, :attempts) AS given (job_id, attempt)"
_OURS = "jobs.job_id = given.job_id AND jobs.attempt = given.attempt AND jobs.state = 'RUNNING'"
_STILL_OURS = "job_id = :job_id AND attempt = :attempt AND state = 'RUNNING'"


def _claim(whom: str) -> TextClause:
    # The subquery is materialised: its row locks decide, and it is asked once.
    return text(f"""
        WITH picked AS MATERIALIZED (
            SELECT job_id FROM jobs
            WHERE state = 'READY' AND queue = :queue AND {whom}
                AND NOT EXISTS (
                    SELECT FROM job_queues WHERE job_queues.queue = :queue AND paused_at IS NOT NULL
                )
            ORDER BY priority DESC, run_at, job_id
            LIMIT :limit
            FOR UPDATE SKIP LOCKED
        )
        UPDATE jobs
        SET state = 'RUNNING', attempt = attempt + 1, worker = :worker,
            started_at = clock_timestamp(), lease_until = clock_timestamp() + :lease,
            progress_done = NULL, progress_total = NULL, progress_note = NULL
        FROM picked
        WHERE jobs.job_id = picked.job_id
        RETURNING jobs.job_id, task, version, payload, queue, priority, attempt, failures, expiries,
            request_id, enqueued_at, run_at, started_at
    """).bindparams(bindparam("lease", type_=Interval), bindparam("limit", type_=Integer))  # noqa: S608


CLAIM = _claim("(expiries > 0) = false")
CLAIM_SUSPECTS = _claim("(expiries > 0) = true")

COMPLETE = text(f"""
    WITH finished AS (
        UPDATE jobs
        SET state = 'DONE', finished_at = clock_timestamp(), lease_until = NULL,
            error = NULL, traceback = NULL, result = CAST(given.result AS jsonb)
        FROM unnest(:ids, :attempts, :results) AS given (job_id, attempt, result)
        WHERE {_OURS}
        RETURNING jobs.job_id, queue, enqueued_at
    ), entered AS (
        {entering("FINISHED", "finished")}
    )
    SELECT job_id FROM finished
""").bindparams(_IDS, _ATTEMPTS, bindparam("results", type_=ARRAY(Text)))  # noqa: S608

# What an operator wants stopped is not started again, however its run ended.
_NEXT = "CASE WHEN cancel_requested_at IS NOT NULL THEN 'CANCELLED' ELSE :state END"
_END_HISTORY = history_with(outcome="CAST(:outcome AS text)", error="CAST(:error AS text)")

END_TURN = text(f"""
    WITH ended AS (
        UPDATE jobs
        SET state = {_NEXT},
            finished_at = CASE WHEN {_NEXT} IN ('DEAD', 'CANCELLED') THEN clock_timestamp() END,
            run_at = CASE
                WHEN {_NEXT} IN ('DEAD', 'CANCELLED') THEN run_at
                ELSE clock_timestamp() + :delay
            END,
            lease_until = NULL, failures = failures + :failed, error = :error, traceback = :traceback,
            history = {_END_HISTORY}
        WHERE {_STILL_OURS}
        RETURNING job_id, state, queue, enqueued_at
    ), finished AS (
        SELECT queue, enqueued_at FROM ended WHERE state IN ('DEAD', 'CANCELLED')
    ), entered AS (
        {entering("FINISHED", "finished")}
    )
    SELECT job_id, state FROM ended
""").bindparams(  # noqa: S608
    bindparam("job_id", type_=Uuid),
    bindparam("attempt", type_=Integer),
    bindparam("state", type_=Text),
    bindparam("delay", type_=Interval),
    bindparam("failed", type_=Integer),
    bindparam("error", type_=Text),
    bindparam("traceback", type_=Text),
)

RELEASE = text(f"""
    WITH released AS (
        UPDATE jobs
        SET state = CASE WHEN cancel_requested_at IS NOT NULL THEN 'CANCELLED' ELSE 'READY' END,
            finished_at = CASE WHEN cancel_requested_at IS NOT NULL THEN clock_timestamp() END,
            lease_until = NULL,
            history = {history_with(outcome="'RELEASED'", error="'the worker was stopped'")}
        FROM {_TOKENS}
        WHERE {_OURS}
        RETURNING jobs.job_id, state, queue, enqueued_at
    ), finished AS (
        SELECT queue, enqueued_at FROM released WHERE state = 'CANCELLED'
    ), entered AS (
        {entering("FINISHED", "finished")}
    )
    SELECT job_id FROM released
""").bindparams(_IDS, _ATTEMPTS)  # noqa: S608

# A row that somebody holds keeps no other from being renewed; as long as it is held, no relay expires it.
RENEW = text(f"""
    WITH free AS MATERIALIZED (
        SELECT jobs.job_id FROM jobs JOIN {_TOKENS} ON {_OURS} FOR NO KEY UPDATE OF jobs SKIP LOCKED
    ), renewed AS (
        UPDATE jobs SET lease_until = clock_timestamp() + :lease FROM free WHERE jobs.job_id = free.job_id
    )
    SELECT jobs.job_id, cancel_requested_at IS NOT NULL AS cancel_requested
    FROM jobs JOIN {_TOKENS} ON {_OURS}
""").bindparams(_IDS, _ATTEMPTS, bindparam("lease", type_=Interval))  # noqa: S608

CANCEL_REQUESTED = text(f"""
    SELECT jobs.job_id FROM jobs JOIN {_TOKENS} ON {_OURS} WHERE cancel_requested_at IS NOT NULL
""").bindparams(_IDS, _ATTEMPTS)  # noqa: S608

SAVE_PROGRESS = text(f"""
    UPDATE jobs
    SET progress_done = coalesce(:done, progress_done), progress_total = coalesce(:total, progress_total),
        progress_note = coalesce(:note, progress_note), log = {LOG_WITH}
    WHERE {_STILL_OURS}
    RETURNING job_id
""").bindparams(  # noqa: S608
    bindparam("job_id", type_=Uuid),
    bindparam("attempt", type_=Integer),
    bindparam("done", type_=BigInteger),
    bindparam("total", type_=BigInteger),
    bindparam("note", type_=Text),
    bindparam("lines", type_=Text),
)
