"""Runs what the affiliate program leaves to be done for a link."""

from __future__ import annotations

from server.affiliate.service.publication import LinkPublication
from server.affiliate.tasks import LinkToPublish
from workers.job_run import JobRun


class LinkTasks:
    """Constructor: the use case of publishing a link."""

    def __init__(self, publication: LinkPublication) -> None:
        self._publication = publication

    async def publish(self, run: JobRun[LinkToPublish]) -> str:
        """What came of it. Publishing again is harmless, so it needs no transaction."""
        return (await self._publication.publish(run.payload.link_id)).value
