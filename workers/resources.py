"""What a worker opened for its handlers. Opening and closing it is for `app`."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis
from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs
from server.media.store import ObjectStore
from workers.settings import WorkerSettings


@dataclass(frozen=True, slots=True)
class Resources:
    """Handlers are built from this, once, when the worker starts. They close nothing of it.

    `engine` and `sessions` share their connections, and a limit of a minute per statement. `urgent_sessions`
    are for handlers of the critical queue: they have connections of their own, so that long transactions of
    other queues never keep them waiting. `jobs` enqueues further work. `store` connects when first used.
    """

    settings: WorkerSettings
    engine: AsyncEngine
    sessions: Sessions
    urgent_sessions: Sessions
    redis: PipeliningRedis
    stream_keys: StreamKeys
    jobs: Jobs
    store: ObjectStore
