"""A drain frozen in the middle of a transaction holds its rows' ids; its heir must not wait for it."""

from __future__ import annotations

from typing import Any, Final

import structlog

_APPLICATION: Final = "millrace-drain"
# A drain sends a batch in milliseconds. With the silence before a take-over this stays below 30 seconds.
PATIENCE_SECONDS: Final = 5

# What a drain's session asks of PostgreSQL: neither wait for a lock nor let others wait longer than that, and
# say "committed" of what is on disk only, whatever the database's default, since Redis then forgets it.
SESSION: Final = {
    "application_name": _APPLICATION,
    "timezone": "UTC",
    "jit": "off",
    "synchronous_commit": "on",
    "lock_timeout": f"{PATIENCE_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{PATIENCE_SECONDS}s",
}

# In the middle of a COPY that timeout does not count: PostgreSQL waits for the rest of the rows for ever.
_END_FROZEN: Final = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE application_name = $1 AND datname = current_database() AND usename = current_user
        AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
        AND wait_event = 'ClientRead' AND state_change < now() - make_interval(secs => $2)
"""

log = structlog.get_logger(__name__)


async def end_frozen_writers(connection: Any) -> None:
    """End the sessions of drains from which PostgreSQL has long awaited the next message of a transaction.

    Nothing of theirs is lost: a drain that wakes up finds its connection gone, and writes its batch again.
    """
    ended = await connection.fetchval(_END_FROZEN, _APPLICATION, float(PATIENCE_SECONDS))
    log.warning("frozen_writers_ended", sessions=ended)
