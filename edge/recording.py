"""Records clicks in Redis before the shopper is answered, and counts the ones that could not be.

What counts as unique is decided inside the Redis Function; what is human, before this module is asked.
"""

from typing import NamedTuple

import structlog

from edge.metrics import EdgeMetrics
from edge.redis_clock import HOURS_A_DAY, RedisClock
from edge.visitors import VisitorHashes
from millrace.streams.functions import CLICK
from millrace.streams.ids import id_time_ms
from millrace.streams.keys import StreamKeys
from millrace.streams.links import LinkSnapshot
from millrace.streams.records import Click, encode_click
from millrace.streams.redis_pipe import PipeliningRedis, RedisReplyError, RedisUnavailable

log = structlog.get_logger()

# ISO 3166 leaves ZZ to its users; the edge has no source for countries yet.
UNKNOWN_COUNTRY = "ZZ"
# The hour may pass between our look at the clock and Redis's; that it does so twice shows a clock gone mad.
_TRIES = 3


class Visitor(NamedTuple):
    """Who clicked: the network is hashed and dropped, the rest goes into the record."""

    network: bytes
    human: bool
    device: str
    referrer_host: str | None


class ClickRecorder:
    """Appends a click to its link's stream, with dedupe and live counters, in one atomic call."""

    def __init__(
        self,
        *,
        redis: PipeliningRedis,
        keys: StreamKeys,
        hashes: VisitorHashes,
        clock: RedisClock,
        metrics: EdgeMetrics,
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._hashes = hashes
        self._clock = clock
        self._recorded = metrics.clicks_recorded
        self._unrecorded = metrics.clicks_unrecorded

    async def record(self, link: LinkSnapshot, click_id: bytes, visitor: Visitor) -> bool:
        """Return whether Redis acknowledged the click. Never raises for Redis: the shopper goes on.

        Not acknowledged may still mean recorded, when the answer came too late; the metric says which.
        """
        try:
            for _ in range(_TRIES):
                hour = self._clock.hour()
                # {1 or 0, entry id}, or {-1, day, hour} when Redis lives in another hour than we do.
                reply = await self._redis.fcall(CLICK, *self._arguments(link, click_id, visitor, hour))
                if reply[0] >= 0:
                    self._count(visitor.human, reply[0] == 1)
                    return True
                self._clock.correct(reply[2])
            reason = "clock"
        except RedisUnavailable as error:
            reason = "timeout" if error.maybe_executed else "unavailable"
        except RedisReplyError as error:
            reason = "refused"
            log.warning("click_refused_by_redis", error=str(error))
        self._unrecorded[reason] += 1
        return False

    def _arguments(
        self, link: LinkSnapshot, click_id: bytes, visitor: Visitor, hour: int
    ) -> tuple[tuple[bytes, ...], tuple[bytes | int, ...]]:
        """The keys and arguments of the Redis Function for a click in this hour; all keys share a slot."""
        day = hour // HOURS_A_DAY
        marks = self._hashes.marks(link.link_id, visitor.network, day)
        record = encode_click(
            Click(
                click_id,
                link.link_id,
                link.partner_id,
                link.product_id,
                id_time_ms(click_id),
                visitor.human,
                False,
                marks.visitor,
                visitor.device,
                visitor.referrer_host,
                UNKNOWN_COUNTRY,
            )
        )
        keys = self._keys
        shard = keys.shard_of(link.link_id)
        return (
            keys.clicks(shard),
            keys.seen(shard, day, marks.bucket_today),
            keys.seen(shard, day - 1, marks.bucket_yesterday),
            keys.live(shard, hour),
        ), (day, marks.field_today, marks.field_yesterday, record, b"1" if visitor.human else b"0")

    def _count(self, human: bool, unique: bool) -> None:
        self._recorded["human" if human else "bot"] += 1
        if unique:
            self._recorded["unique"] += 1
