"""The use case of asking for an erasure. The job that does it is in `erasure`."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import func, select

from server.analytics.tasks import ERASE, Erasure
from server.audit import AuditRepository
from server.auth.actor import Actor
from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs


class EraseRequests:
    """Constructor: the session factory, and what promises jobs."""

    def __init__(self, sessions: Sessions, jobs: Jobs) -> None:
        self._sessions = sessions
        self._jobs = jobs

    async def request(self, actor: Actor, *, user_id: str | None, session_id: str | None) -> uuid.UUID:
        """Promises to erase all of a user or of a session, exactly one of them; the job's id."""
        async with self._sessions.begin() as session:
            now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
            job_id = await self._jobs.enqueue(session, ERASE, Erasure(now, user_id, session_id))
            # Whose wish it was is in the audit, whose events went is not: they were to be forgotten.
            AuditRepository(session).add(
                actor,
                "visitor.erase",
                f"job/{job_id}",
                before=None,
                after={"by": "user_id" if user_id is not None else "session_id"},
            )
        return job_id
