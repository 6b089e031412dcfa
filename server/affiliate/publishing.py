"""Brings link snapshots to Redis after a commit. Which link, and when again, is for the services."""

import structlog
from prometheus_client import Counter

from millrace.streams.keys import StreamKeys
from millrace.streams.links import LinkSnapshot
from millrace.streams.publisher import publish_link
from millrace.streams.redis_pipe import PipeliningRedis, RedisFailure

log = structlog.get_logger(__name__)

PUBLICATIONS = Counter(
    "millrace_link_snapshots_published",
    "Link snapshots brought to Redis after a change, by outcome: written, older, failed.",
    ["outcome"],
)


class SnapshotPublisher:
    """Constructor: the process's pipelining client, whose timeout bounds the wait, and its key names."""

    def __init__(self, redis: PipeliningRedis, keys: StreamKeys) -> None:
        self._redis = redis
        self._keys = keys

    async def publish(self, short_code: str, snapshot: LinkSnapshot) -> bool:
        """Publishes what was committed, unless Redis knows something newer; says whether it was written.

        Raises RedisFailure, which is counted.
        """
        try:
            written = await publish_link(self._redis, self._keys, short_code, snapshot)
        except RedisFailure:
            PUBLICATIONS.labels("failed").inc()
            raise
        PUBLICATIONS.labels("written" if written else "older").inc()
        return written

    async def try_publish(self, short_code: str, snapshot: LinkSnapshot) -> None:
        """The same for a caller whose answer must not depend on Redis: a failure is logged.

        The edges then serve the older snapshot until the link's job publishes this one, or until it expires.
        """
        try:
            await self.publish(short_code, snapshot)
        except RedisFailure as error:
            log.warning("link_snapshot_not_published", short_code=short_code, error=str(error))
