"""What becomes of a request with events, whichever way it came in."""

from __future__ import annotations

import time

import msgspec

from edge.ingestion import refusals
from edge.ingestion.callers import Callers
from edge.ingestion.media_types import require_readable
from edge.ingestion.origins import Origins
from edge.ingestion.recorder import EventRecorder
from edge.metrics import EdgeMetrics
from edge.problems import Problem
from edge.request_head import RequestHead
from millrace.streams.event_input import EventBatch, MalformedBody, read_batch
from millrace.streams.pressure import StreamPressure


class Acceptance(msgspec.Struct, frozen=True, gc=False):
    """The body of a 202. `accepted`, `duplicates` and the length of `rejected` add up to what was sent."""

    accepted: int
    duplicates: int
    rejected: list[dict[str, object]]


class Ingestion:
    """Takes events: judges each, holds callers to their rate and the streams to their size, records."""

    def __init__(
        self,
        *,
        origins: Origins,
        callers: Callers,
        recorder: EventRecorder,
        pressure: StreamPressure,
        metrics: EdgeMetrics,
    ) -> None:
        self._origins = origins
        self._callers = callers
        self._recorder = recorder
        self._pressure = pressure
        self._metrics = metrics

    def require_welcome(self, request: RequestHead, *, has_body: bool) -> None:
        """Refuse for what is known before the body is: raises `Problem` 415 or 503."""
        if has_body:
            require_readable(request.headers.get("Content-Type"))
        if self._pressure.high:
            self._metrics.ingestion_refused["streams"] += 1
            raise refusals.streams_full()

    async def accept(self, request: RequestHead, body: bytes) -> bytes:
        """Return the body of a 202 once every good event is durable.

        Raises `Problem` 400 when there is none, 429 above the caller's rate, 503 when they cannot be kept.
        """
        try:
            batch = read_batch(body, self._origins.of(request), now_ms=time.time_ns() // 1_000_000)
        except MalformedBody as error:
            self._metrics.ingestion_refused["malformed"] += 1
            raise refusals.malformed(error) from None
        try:
            await self._callers.admit(request, batch.count)
        except Problem:
            self._metrics.ingestion_refused["rate"] += 1
            raise
        self._count_rejected(batch)
        if not batch.events:
            raise refusals.all_rejected(batch.rejected)
        duplicates = await self._recorder.record(batch)
        return _encode(self._acceptance(batch, duplicates))

    def _acceptance(self, batch: EventBatch, duplicates: int) -> Acceptance:
        accepted = len(batch.events) - duplicates
        recorded = self._metrics.events_recorded
        recorded["human" if batch.events[0].event.human else "bot"] += accepted
        if duplicates:
            recorded["duplicate"] += duplicates
        return Acceptance(accepted, duplicates, [each._asdict() for each in batch.rejected])

    def _count_rejected(self, batch: EventBatch) -> None:
        for rejection in batch.rejected:
            self._metrics.events_rejected[rejection.reason] += 1


_encode = msgspec.json.Encoder().encode
