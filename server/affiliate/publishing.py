"""Brings link snapshots to Redis after a commit, and never fails the caller for Redis's sake."""

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

    async def publish(self, short_code: str, snapshot: LinkSnapshot) -> None:
        """Publishes what was committed, unless Redis knows something newer.

        A failure is logged and counted. The edges then serve the older snapshot until it expires, and
        ask the server after that.
        """
        try:
            written = await publish_link(self._redis, self._keys, short_code, snapshot)
        except RedisFailure as error:
            PUBLICATIONS.labels("failed").inc()
            log.warning("link_snapshot_not_published", short_code=short_code, error=str(error))
        else:
            PUBLICATIONS.labels("written" if written else "older").inc()
