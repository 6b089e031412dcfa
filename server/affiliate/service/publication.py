"""The job that brings a committed link to the edges, whatever died meanwhile, and how it is asked for."""

from __future__ import annotations

import uuid
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncSession

from server.affiliate.models import Link
from server.affiliate.publishing import SnapshotPublisher
from server.affiliate.repository.links import LinkRepository
from server.affiliate.snapshots import destination_rules, snapshot_of
from server.affiliate.tasks import PUBLISH_LINK, LinkToPublish
from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs


class Publication(StrEnum):
    """What came of publishing a link."""

    WRITTEN = "written"
    # Redis held this version's successor.
    OLDER = "older"
    # No such link, so nothing to publish.
    GONE = "gone"


async def enqueue_publication(jobs: Jobs, session: AsyncSession, link: Link) -> None:
    """Has the link published after the session's commit, even if this process dies right then.

    Changes that no worker has looked at yet share one job, which reads the newest.
    """
    await jobs.enqueue(session, PUBLISH_LINK, LinkToPublish(link.link_id), unique_key=str(link.link_id))


class LinkPublication:
    """Constructor: session factory, snapshot publisher, and the base of our short URLs."""

    def __init__(self, sessions: Sessions, *, publisher: SnapshotPublisher, public_url: str) -> None:
        self._sessions = sessions
        self._publisher = publisher
        self._public_url = public_url

    async def publish(self, link_id: uuid.UUID) -> Publication:
        """Publishes the link as it is committed now; repeating it is harmless. Raises RedisFailure."""
        async with self._sessions() as session:
            found = await LinkRepository(session).find_with_program(link_id)
        if found is None:
            return Publication.GONE
        link, program = found
        snapshot = snapshot_of(link, program, destination_rules(program, self._public_url))
        written = await self._publisher.publish(link.short_code, snapshot)
        return Publication.WRITTEN if written else Publication.OLDER
