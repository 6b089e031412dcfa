"""Answers pings."""

from __future__ import annotations

from server.jobs.declared import Ping
from workers.job_run import JobRun


async def answer_ping(run: JobRun[Ping]) -> dict[str, str]:
    """The note that came, to show that a worker read it."""
    return {"note": run.payload.note}
