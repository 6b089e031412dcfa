"""The use case of taking events from internal services: the edge's rules, the edge's streams."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from millrace.streams.event_input import Origin, read_events
from millrace.streams.event_writer import EventWriter, ShardWrite
from millrace.streams.ids import id_text
from millrace.streams.redis_pipe import RedisFailure
from server.analytics.errors import StreamOverloaded, StreamUnavailable


class Pressure(Protocol):
    """Whether so much waits to be stored that no more should be taken."""

    @property
    def high(self) -> bool: ...


class Outcome(StrEnum):
    """What became of one event."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    NOT_CONFIRMED = "NOT_CONFIRMED"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one event; `field` (as REST names it) and `reason` of a rejected one."""

    outcome: Outcome
    event_id: str = ""
    field: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Tracked:
    """A verdict on every event, in order, and how many of the accepted ones had come before."""

    verdicts: Sequence[Verdict]
    duplicates: int


class EventTracking:
    """Constructor: what writes events into the streams, and what knows how full they are."""

    def __init__(self, writer: EventWriter, pressure: Pressure) -> None:
        self._writer = writer
        self._pressure = pressure

    async def track(
        self,
        items: Sequence[Mapping[str, Any]],
        origins: Sequence[Origin],
        *,
        sent_at_ms: int | None,
    ) -> Tracked:
        """Take 1 to 500 events; the ACCEPTED ones are confirmed by Redis.

        An event that Redis did not confirm may have been taken all the same. Raises StreamOverloaded, and
        StreamUnavailable when Redis confirmed none of those that break no rule.
        """
        if self._pressure.high:
            raise StreamOverloaded
        batch = read_events(items, origins, sent_at_ms=sent_at_ms, now_ms=time.time_ns() // 1_000_000)
        verdicts = [Verdict(Outcome.NOT_CONFIRMED)] * batch.count
        for index, field, reason in batch.rejected:
            verdicts[index] = Verdict(Outcome.REJECTED, field=field, reason=reason)
        writes = self._writer.split(batch)
        duplicates = await asyncio.gather(*map(self._write, writes))
        if writes and all(each is None for each in duplicates):
            raise StreamUnavailable
        rejected = {each.index for each in batch.rejected}
        places = [place for place in range(batch.count) if place not in rejected]
        # What is written is told from what is read by identity: ids may repeat within a call.
        confirmed = {
            id(new)
            for write, answer in zip(writes, duplicates, strict=True)
            if answer is not None
            for new in write.events
        }
        for place, new in zip(places, batch.events, strict=True):
            if id(new) in confirmed:
                given = new.dedupe_id or new.event.event_id
                verdicts[place] = Verdict(Outcome.ACCEPTED, id_text(given))
        return Tracked(verdicts, sum(each or 0 for each in duplicates))

    async def _write(self, write: ShardWrite) -> int | None:
        """How many were duplicates; None when Redis did not confirm."""
        try:
            return await self._writer.write(write)
        except RedisFailure:
            return None
