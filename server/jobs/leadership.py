"""Which of several schedulers acts. What it does then is no matter of this module.

The lease saves work and is not what keeps jobs right: a scheduler that was frozen may act for a moment beside
its successor, so whatever a scheduler does must bear being done by two.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import DateTime, Interval, bindparam, column, text
from sqlalchemy.ext.asyncio import AsyncConnection

LEASE: Final = timedelta(seconds=5)

# A standby only locks the row for an instant.
_HOLD = (
    text("""
        INSERT INTO scheduler_lease AS held (lease_id, holder, held_until)
        VALUES (1, :holder, clock_timestamp() + :lease)
        ON CONFLICT (lease_id) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
        WHERE held.holder = excluded.holder OR held.held_until < clock_timestamp()
        RETURNING clock_timestamp() AS held_at
    """)
    .bindparams(bindparam("lease", type_=Interval))
    .columns(column("held_at", DateTime(timezone=True)))
)

_RELEASE = text("UPDATE scheduler_lease SET held_until = '-infinity' WHERE holder = :holder")


class Leadership:
    """One scheduler's claim to act. Constructor: a name that no other scheduler has, ever.

    Connections given to it commit by themselves (AUTOCOMMIT): a process frozen within a transaction would
    keep the row locked, and nobody could take its place.
    """

    def __init__(self, holder: str, *, lease: timedelta = LEASE) -> None:
        self._holder = holder
        self._lease = lease

    async def hold(self, connection: AsyncConnection) -> datetime | None:
        """Take or renew the lease: the instant by PostgreSQL's clock, or None when somebody else holds it."""
        values = {"holder": self._holder, "lease": self._lease}
        held_at: datetime | None = (await connection.execute(_HOLD, values)).scalar_one_or_none()
        return held_at

    async def release(self, connection: AsyncConnection) -> None:
        """Let another act at its next try. Nothing happens when somebody else does already."""
        await connection.execute(_RELEASE, {"holder": self._holder})
