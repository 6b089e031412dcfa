"""Erases a user or a session once the streams hold nothing of before the wish."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis
from server.analytics.differences import Proof
from server.analytics.drift_live import compare_live
from server.analytics.erasure import Subject, erase_events
from server.analytics.letter_erasure import erase_letters
from server.analytics.live_truth import HOUR, restate_hours, uncount_events
from server.analytics.tasks import Erasure as Payload
from server.analytics.utc_days import EPOCH
from server.jobs.tasks import PermanentFailure, Postponed
from server.streams.freshness import StreamFreshness
from workers.job_run import JobRun
from workers.tasks.events import bare_connection

# Clocks of Redis, PostgreSQL and ours may differ by this much.
_CLOCKS: Final = timedelta(seconds=5)
_LOOK_AGAIN_SECONDS: Final = 5.0

# What remains says when, and of whom no more.
_FORGET_SUBJECT: Final = text("""
    UPDATE jobs SET payload = payload - 'user_id' - 'session_id', unique_key = NULL WHERE job_id = :job_id
""")


class ErasureJob:
    """Constructor: the engine; the streams and live counters; after how many days raw events go."""

    def __init__(
        self, engine: AsyncEngine, redis: PipeliningRedis, keys: StreamKeys, *, keep_days: int
    ) -> None:
        self._engine = engine
        self._redis = redis
        self._keys = keys
        self._keep_days = keep_days

    async def run(self, run: JobRun[Payload]) -> dict[str, int]:
        """How many events and dead letters went. A run that died is gone on with by the next.

        Raises Postponed while streams hold what was accepted before the wish, PermanentFailure for a payload
        that names nobody.
        """
        try:
            subject = Subject.of(run.payload.user_id, run.payload.session_id)
        except ValueError as error:
            raise PermanentFailure(str(error)) from None
        await self._wait_for_drains(run.payload.requested_at)
        async with bare_connection(self._engine) as connection:
            erased = await erase_events(
                connection, subject, keep_days=self._keep_days, on_progress=run.progress
            )
            letters = await erase_letters(connection, subject, on_progress=run.progress)
            counted = [
                *((each.occurred_ms, each.type, each.human, each.session_id) for each in erased.events),
                *((each.occurred_ms, each.type, each.human, each.session_id) for each in letters.events),
            ]
            await self._set_live_right(connection, counted)
        result = {
            "events": len(erased.events),
            "quarter_hours": erased.quarters,
            "dead_letters": letters.letters,
        }
        # Progress is saved over another connection, which would wait for ours once we hold the job's row.
        await run.save()
        async with run.transaction(result) as session:
            await session.execute(_FORGET_SUBJECT, {"job_id": run.job.job_id})
        return result

    async def _wait_for_drains(self, requested_at: datetime) -> None:
        streams = [*self._keys.all_clicks(), *self._keys.all_events()]
        complete = await StreamFreshness(self._redis, streams).complete_until()
        if complete is None:
            raise Postponed(_LOOK_AGAIN_SECONDS, "Redis cannot say what waits in the streams")
        if complete < requested_at + _CLOCKS:
            raise Postponed(_LOOK_AGAIN_SECONDS, "the streams may hold events of before the wish")

    async def _set_live_right(self, connection: Any, counted: Iterable[tuple[int, str, bool, str]]) -> None:
        running = (await connection.fetchval("SELECT clock_timestamp()") - EPOCH) // HOUR
        await uncount_events(self._redis, self._keys, counted, running)
        # All hours that differ, not only those of this run: one before it may have died on the way.
        wrong = await compare_live(connection, self._redis, self._keys, Proof())
        await restate_hours(connection, self._redis, self._keys, wrong)
