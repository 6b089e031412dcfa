"""Makes clicks durable before the shopper is answered: in Redis, or in the spool while Redis takes none.

What counts as unique is decided inside the Redis Function; what is human, before this module is asked.
"""

import asyncio
from typing import Final, NamedTuple

import structlog

from edge.metrics import EdgeMetrics
from edge.spool import Spool, SpoolFull, SpoolUnavailable
from edge.visitors import VisitorHashes
from millrace.streams.functions import CLICK, REPLAY_CLICK
from millrace.streams.ids import id_time_ms
from millrace.streams.keys import StreamKeys
from millrace.streams.links import LinkSnapshot
from millrace.streams.records import Click, encode_click
from millrace.streams.redis_clock import HOURS_A_DAY, RedisClock
from millrace.streams.redis_pipe import PipeliningRedis, RedisReplyError, RedisUnavailable
from millrace.streams.spooled_call import SpooledCall

log = structlog.get_logger()

# ISO 3166 leaves ZZ to its users; the edge has no source for countries yet.
UNKNOWN_COUNTRY = "ZZ"
MINUTE_MS = 60_000
MINUTES_AN_HOUR = 60
# The day may pass between our look at the clock and Redis's; that it does so twice shows a clock gone mad.
_TRIES = 3
# What a shopper waits for the disk at most; it takes milliseconds unless something is wrong with it.
DISK_SECONDS: Final = 0.25


class Visitor(NamedTuple):
    """Who clicked: the network is hashed and dropped, the rest goes into the record."""

    network: bytes
    human: bool
    device: str
    referrer_host: str | None


class ClickRecorder:
    """Appends a click to its link's stream, with dedupe and live counters, in one atomic call.

    A click without Redis's acknowledgement is spooled as the call that records it later by its own time. It
    may be recorded already: whoever stores it drops the second of two with one id.
    """

    def __init__(
        self,
        *,
        redis: PipeliningRedis,
        keys: StreamKeys,
        hashes: VisitorHashes,
        clock: RedisClock,
        spool: Spool,
        metrics: EdgeMetrics,
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._hashes = hashes
        self._clock = clock
        self._spool = spool
        self._recorded = metrics.clicks_recorded
        self._spooled = metrics.clicks_spooled
        self._unrecorded = metrics.clicks_unrecorded
        self._is_refused = False

    async def record(self, link: LinkSnapshot, click_id: bytes, visitor: Visitor) -> bool:
        """Return whether the click is durable. Never raises for Redis or the disk: the shopper goes on.

        Not known to be durable may still mean recorded, when an answer came too late.
        """
        try:
            for _ in range(_TRIES):
                hour = self._clock.hour()
                # {1 or 0, entry id}, or {-1, day, hour} when Redis lives in another day than we do.
                reply = await self._redis.fcall(CLICK, *self._arguments(link, click_id, visitor, hour))
                self._is_refused = False
                if reply[0] >= 0:
                    self._count(visitor.human, reply[0] == 1)
                    return True
                self._clock.correct(reply[2])
            reason = "clock"
        except RedisUnavailable as error:
            reason = "timeout" if error.maybe_executed else "unavailable"
        except RedisReplyError as error:
            reason = "refused"
            self._tell_refusal(error)
        loss = await self._keep(self._replay(link, click_id, visitor))
        if loss is None:
            self._spooled[reason] += 1
            return True
        self._unrecorded[loss] += 1
        return False

    async def _keep(self, call: SpooledCall) -> str | None:
        """Wait until the call is on disk; the reason when that cannot be had.

        A disk that hangs may have it yet: nobody waits for that, and the click counts as not recorded.
        """
        try:
            patience = 0 if self._spool.is_stalled else DISK_SECONDS
            written = self._spool.append(call, late=True)
            await asyncio.wait([written], timeout=patience)
            if not written.done():
                return "slow"
            written.result()
        except SpoolFull:
            return "full"
        except SpoolUnavailable:
            return "unavailable"
        return None

    def _replay(self, link: LinkSnapshot, click_id: bytes, visitor: Visitor) -> SpooledCall:
        """The call that records the click whenever it is made, as if at the click's own time."""
        minute = id_time_ms(click_id) // MINUTE_MS
        hour = minute // MINUTES_AN_HOUR
        day = hour // HOURS_A_DAY
        after = self._hashes.marks(link.link_id, visitor.network, day + 1)
        marks = self._hashes.marks(link.link_id, visitor.network, day)
        keys, shard = self._keys, self._keys.shard_of(link.link_id)
        return SpooledCall(
            REPLAY_CLICK,
            [
                keys.clicks(shard),
                keys.seen(shard, day, marks.bucket_today),
                keys.seen(shard, day - 1, marks.bucket_yesterday),
                keys.seen(shard, day + 1, after.bucket_today),
                keys.live(shard, hour),
            ],
            [
                minute,
                marks.field_today,
                marks.field_yesterday,
                after.field_today,
                _record(link, click_id, visitor, marks.visitor),
                b"1" if visitor.human else b"0",
            ],
        )

    def _arguments(
        self, link: LinkSnapshot, click_id: bytes, visitor: Visitor, hour: int
    ) -> tuple[tuple[bytes, ...], tuple[bytes | int, ...]]:
        """The keys and arguments of the Redis Function for a click in this hour; all keys share a slot.

        Dedupe goes by Redis's day, the live counters by the time in the click's own id.
        """
        day = hour // HOURS_A_DAY
        clicked_minute = id_time_ms(click_id) // MINUTE_MS
        marks = self._hashes.marks(link.link_id, visitor.network, day)
        keys = self._keys
        shard = keys.shard_of(link.link_id)
        return (
            keys.clicks(shard),
            keys.seen(shard, day, marks.bucket_today),
            keys.seen(shard, day - 1, marks.bucket_yesterday),
            keys.live(shard, clicked_minute // MINUTES_AN_HOUR),
        ), (
            day,
            marks.field_today,
            marks.field_yesterday,
            _record(link, click_id, visitor, marks.visitor),
            b"1" if visitor.human else b"0",
            clicked_minute % MINUTES_AN_HOUR,
        )

    def _tell_refusal(self, error: RedisReplyError) -> None:
        """Log it once until Redis takes clicks again; every one of them is in the metrics."""
        if not self._is_refused:
            self._is_refused = True
            log.warning("click_refused_by_redis", error=str(error))

    def _count(self, human: bool, unique: bool) -> None:
        self._recorded["human" if human else "bot"] += 1
        if unique:
            self._recorded["unique"] += 1


def _record(link: LinkSnapshot, click_id: bytes, visitor: Visitor, visitor_hash: bytes) -> bytes:
    """The stream record of a click; whether it is unique is filled in by the Redis Function."""
    return encode_click(
        Click(
            click_id,
            link.link_id,
            link.partner_id,
            link.product_id,
            id_time_ms(click_id),
            visitor.human,
            False,
            visitor_hash,
            visitor.device,
            visitor.referrer_host,
            UNKNOWN_COUNTRY,
        )
    )
