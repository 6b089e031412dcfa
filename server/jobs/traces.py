"""What each statement that moves jobs leaves behind, as SQL: a turn in their history, lines in the ledger."""

from __future__ import annotations

# The newest of each are kept: a job that is retried for months must not outgrow its page.
HISTORY_TURNS = 50
LOG_LINES = 200

# Ids come from the statement's own text; values stay parameters.
_TURN = """
    jsonb_path_query_array(
        history || jsonb_build_array(jsonb_build_object(
            'attempt', jobs.attempt, 'outcome', {outcome}, 'worker', worker, 'started_at', started_at,
            'ended_at', clock_timestamp(), 'error', {error}
        )),
        '$[last - {before_last} to last]'
    )
"""

LOG_WITH = f"jsonb_path_query_array(log || CAST(:lines AS jsonb), '$[last - {LOG_LINES - 1} to last]')"


def history_with(*, outcome: str, error: str) -> str:
    """The new value of `jobs.history`; both are SQL expressions, such as `CAST(:error AS text)`."""
    return _TURN.format(outcome=outcome, error=error, before_last=HISTORY_TURNS - 1)


def entering(kind: str, moved: str) -> str:
    """An INSERT that enters the rows of `moved` (columns queue, enqueued_at) into the ledger as `kind`.

    Part of the statement that moves them, so that the ledger and the jobs are committed together or not.
    """
    return f"""
        INSERT INTO job_ledger (queue, hour, kind, jobs)
        SELECT queue, date_trunc('hour', enqueued_at, 'UTC'), '{kind}', count(*) FROM {moved} GROUP BY 1, 2
    """  # noqa: S608 - both are constants of ours
