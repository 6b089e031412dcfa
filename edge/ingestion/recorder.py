"""Makes events durable: in Redis, or in the spool while Redis does not take them."""

from __future__ import annotations

import asyncio

import structlog

from edge.ingestion.refusals import nowhere_to_keep
from edge.metrics import EdgeMetrics
from edge.spool import Spool, SpoolError
from millrace.streams.event_input import EventBatch
from millrace.streams.event_writer import EventWriter, ShardWrite
from millrace.streams.redis_pipe import RedisFailure, RedisReplyError

log = structlog.get_logger()


class EventRecorder:
    """Writes the accepted events of a request, one call for each shard."""

    def __init__(self, *, writer: EventWriter, spool: Spool, metrics: EdgeMetrics) -> None:
        self._writer = writer
        self._spool = spool
        self._metrics = metrics
        self._is_refused = False

    async def record(self, batch: EventBatch) -> int:
        """Return how many of the events were known already, once all the others are durable.

        Of events that went to the spool nobody knows yet. Raises `Problem` 503 when some could not be kept;
        others of the same request may have been.
        """
        writes = self._writer.split(batch)
        if len(writes) == 1:
            return await self._write(writes[0])
        duplicates = 0
        for outcome in await asyncio.gather(*map(self._write, writes), return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
            duplicates += outcome
        return duplicates

    async def _write(self, write: ShardWrite) -> int:
        try:
            duplicates = await self._writer.write(write)
        except RedisReplyError as error:
            self._tell_refusal(error)
        except RedisFailure:
            pass  # an outage has metrics of its own
        else:
            self._is_refused = False
            return duplicates
        try:
            # It may be in Redis as well, when only the answer was late: the ids make that harmless.
            await self._spool.append(write.replay())
        except SpoolError as error:
            self._metrics.ingestion_refused["spool"] += 1
            raise nowhere_to_keep() from error
        self._metrics.events_spooled += len(write.events)
        return 0

    def _tell_refusal(self, error: RedisReplyError) -> None:
        """Log it once until Redis takes events again: a full one refuses thousands of requests a second."""
        if not self._is_refused:
            self._is_refused = True
            log.warning("events_refused_by_redis", error=str(error))
