"""Event streams: the events of a request an entry, counted in rollups, sketches and sessions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from asyncpg.pgproto.pgproto import UUID

from millrace.streams.event_records import StreamEvent, decode_events, encode_piece, join_record, record_head
from millrace.streams.ids import id_time_ms
from server.analytics.counting import CountedEvent, apply, tally_events, touch_sessions
from server.analytics.event_columns import EVENT_COLUMNS, EVENT_IDENTITIES, EVENTS
from server.db.day_partitions import DAY_MS
from workers.drain.dead_letters import DeathReason
from workers.drain.event_rows import copy_row
from workers.drain.rows import Bounds, PendingRow, Refusal
from workers.drain.traffic_sources import TrafficSources

# How far an event may lie from its id: before it when that is minted at receipt, behind it when it is a
# client's own. Less than `RAW_EVENTS.reach`, or nobody who counts a day again finds the event.
FROM_ID_MS: Final = 31 * DAY_MS

_OWN_HOSTS: Final = "SELECT DISTINCT unnest(allowed_destination_hosts) FROM affiliate_program"

# All drains lock client ids in one order.
_CLAIM: Final = f"""
    INSERT INTO {EVENT_IDENTITIES} (client_id, event_id)
    SELECT client_id, event_id FROM unnest($1::uuid[], $2::uuid[]) AS claimed (client_id, event_id)
    ORDER BY client_id
    ON CONFLICT DO NOTHING
    RETURNING client_id
"""  # noqa: S608 - a constant of ours


class EventKind:
    """See `rows.StreamKind`. `own_hosts`: hosts that are no source, beside those of the programs."""

    table = EVENTS
    columns: tuple[str, ...] = EVENT_COLUMNS
    entries_per_read = 500  # an entry has up to 64 KiB
    rows_per_entry = 100

    def __init__(self, own_hosts: Iterable[str] = (), *, retention_days: int = 90) -> None:
        self.retention_ms = retention_days * DAY_MS
        self._own_hosts = frozenset(own_hosts)
        self._sources = TrafficSources(self._own_hosts)

    def decode(self, record: bytes) -> Sequence[StreamEvent]:
        """The record's events in order; raises UnknownVersion or MalformedRecord."""
        return decode_events(record)

    def refusal(self, event: StreamEvent, bounds: Bounds) -> Refusal | None:
        """Id and receipt have to lie within bounds, the event not far from its id either."""
        oldest_ms, newest_ms = bounds
        id_ms = id_time_ms(event.event_id)
        if (
            oldest_ms <= id_ms <= newest_ms
            and oldest_ms <= event.received_ms <= newest_ms
            and id_ms - FROM_ID_MS <= event.occurred_ms <= min(newest_ms, id_ms + FROM_ID_MS)
        ):
            return None
        in_future = max(id_ms, event.received_ms, event.occurred_ms) > newest_ms
        return Refusal(
            DeathReason.DATED_IN_THE_FUTURE if in_future else DeathReason.OLDER_THAN_RETENTION,
            f"event id of {id_ms} ms, received at {event.received_ms} ms, occurred at {event.occurred_ms} ms",
        )

    def pending(
        self,
        event: StreamEvent,
        place: int = 0,
        entry_id: bytes = b"",
        position: int = 0,
        record: bytes = b"",
    ) -> PendingRow[StreamEvent, CountedEvent]:
        """The event as a row; raises ValueError for a country or text that no row can hold."""
        source = self._sources.source_of(event.url, event.referrer)
        counted = CountedEvent(
            event.type,
            event.occurred_ms,
            event.human,
            event.session_id,
            event.user_id,
            event.product_id,
            source,
            event.device,
            event.country,
        )
        row = copy_row(event, source)
        return PendingRow(
            event.event_id,
            event.occurred_ms // DAY_MS,
            row,
            event,
            counted,
            place,
            entry_id,
            position,
            record,
        )

    def record_alone(self, event: StreamEvent, record: bytes) -> bytes:
        """The event with its id written out, so that it keeps it when it is decoded again."""
        return event_record(event)

    async def prepare(self, connection: Any) -> None:
        """Read which hosts the programs sell on: coming from there is coming from the shop itself."""
        allowed = {row[0] for row in await connection.fetch(_OWN_HOSTS)}
        self._sources = TrafficSources(self._own_hosts | allowed)

    async def claim(
        self, connection: Any, rows: Sequence[PendingRow[StreamEvent, CountedEvent]]
    ) -> Sequence[PendingRow[StreamEvent, CountedEvent]]:
        """Without those whose client id stands for another event; the first of the stream has it."""
        first: dict[bytes, PendingRow[StreamEvent, CountedEvent]] = {}
        for each in rows:
            client_id = each.fact.client_id
            if client_id is not None and (client_id not in first or each.place < first[client_id].place):
                first[client_id] = each
        if not first:
            return rows
        new = await self._insert_identities(connection, first)
        return [
            each
            for each in rows
            if (client_id := each.fact.client_id) is None or (client_id in new and first[client_id] is each)
        ]

    def says_more(self, later: StreamEvent, first: StreamEvent) -> bool:
        """Of an event sent twice the first stands."""
        return False

    async def count(
        self,
        connection: Any,
        rows: Sequence[PendingRow[StreamEvent, CountedEvent]],
        repeats: Sequence[PendingRow[StreamEvent, CountedEvent]],
    ) -> None:
        """Add events to the rollups and widen their sessions."""
        if not rows:
            return
        counted = [each.counted for each in rows]
        await apply(connection, tally_events(counted))
        await touch_sessions(connection, counted)

    async def _insert_identities(
        self, connection: Any, rows: dict[bytes, PendingRow[StreamEvent, CountedEvent]]
    ) -> set[bytes]:
        """Take client ids for these rows; gives those that nobody had."""
        events = [UUID(each.row_id) for each in rows.values()]
        inserted = await connection.fetch(_CLAIM, [UUID(each) for each in rows], events)
        return {row[0].bytes for row in inserted}


def event_record(event: StreamEvent) -> bytes:
    """A record that holds this event alone, its id included; always the same bytes."""
    base = event.received_ms.to_bytes(6, "big") + event.event_id[6:]
    return join_record(record_head(base), [encode_piece(event, None)])
