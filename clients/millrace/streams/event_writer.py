"""Writes the events of a request into the event streams: one call of a Redis Function for each shard.

Which events are taken is `event_input`'s; what the functions do is in functions.lua.
"""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct
from typing import Final, Protocol

import msgspec

from millrace.streams.event_input import EventBatch, NewEvent
from millrace.streams.event_records import encode_piece, join_records, record_head
from millrace.streams.functions import EVENTS, EVENTS_ONCE, REPLAY_EVENTS
from millrace.streams.ids import id_time_ms
from millrace.streams.keys import StreamKeys
from millrace.streams.live import BOT_EVENT, COUNTED_HOURS, TYPE_LETTERS, live_field
from millrace.streams.redis_errors import RedisUnavailable
from millrace.streams.redis_pipe import PipeliningRedis
from millrace.streams.spooled_call import SpooledCall

_MINUTE_MS: Final = 60_000
_MINUTES_AN_HOUR: Final = 60
_MINUTES_A_DAY: Final = 1_440
_HOURS_A_DAY: Final = 24
_MARK_BYTES: Final = 9  # two for the bucket, seven for the field in it

# Of each event in `mr_events_once`; functions.lua names the same.
_pack_layout: Final = Struct(">IHB7s").pack

# The day may pass between our look at the clock and Redis's; that it does so twice shows a clock gone mad.
_TRIES: Final = 3


class HourClock(Protocol):
    """Tells Redis's hour, counted from 1970, as far as it is known."""

    def hour(self) -> int: ...
    def correct(self, redis_hour: int) -> None: ...


class ShardWrite(msgspec.Struct, frozen=True):
    """The events of one request that belong into one shard; at least one."""

    keys: StreamKeys
    shard: int
    base: bytes
    events: list[NewEvent]

    def encode(self, day: int) -> SpooledCall:
        """The call that writes them while it is that UTC day (days since 1970) in Redis; for once only."""
        for new in self.events:
            if new.dedupe_id is not None:
                return self._encode_once(day)
        live = _LiveHashes(self)
        records = self._records()
        args: list[bytes | int] = [len(records), *records]
        tally: dict[tuple[int, str], int] = {}
        for new in self.events:
            event = new.event
            counter = event.occurred_ms // _MINUTE_MS, _letter(new)
            tally[counter] = tally.get(counter, 0) + 1
        for (minute, letter), number in tally.items():
            place = live.place(minute)
            if place:
                args += place, live_field(minute % _MINUTES_AN_HOUR, letter), number
        return SpooledCall(EVENTS, live.keys, args)

    def replay(self) -> SpooledCall:
        """The call that writes them whenever Redis is back, whether or not they were written before."""
        live = _LiveHashes(self)
        records = self._records()
        received = id_time_ms(self.base) // _MINUTE_MS
        lacking: dict[int, int] = {}
        buckets: list[bytes] = []
        marks: list[bytes] = []
        for new in self.events:
            # Places are given out, and so lie here, in the order in which they first come up.
            place = live.place(new.event.occurred_ms // _MINUTE_MS)
            if place:
                lacking[place] = lacking.get(place, 0) + 1
            if new.dedupe_id is not None:
                bucket, mark = _mark(new.dedupe_id)
                buckets.append(self.keys.events_seen(self.shard, received // _MINUTES_A_DAY, bucket))
                marks.append(mark)
        head: list[bytes | int] = [received, len(records), *records]
        return SpooledCall(
            REPLAY_EVENTS, live.keys + buckets, [*head, len(lacking), *lacking.values(), *marks]
        )

    def _encode_once(self, day: int) -> SpooledCall:
        live = _LiveHashes(self)
        pieces: list[bytes] = []
        layout: list[bytes] = []
        buckets: list[bytes] = []
        counters: dict[tuple[int, str], int] = {}
        counted_at: list[bytes | int] = []
        for new in self.events:
            counted = new.event.occurred_ms // _MINUTE_MS, _letter(new)
            counter = counters.get(counted)
            if counter is None:
                minute, letter = counted
                place = live.place(minute)
                if place:
                    counted_at += place, live_field(minute % _MINUTES_AN_HOUR, letter)
                counter = counters[counted] = len(counted_at) // 2 if place else 0
            bucket, mark = (0, b"") if new.dedupe_id is None else _mark(new.dedupe_id)
            if mark:
                buckets += self.keys.events_seen_since(self.shard, day, bucket)
            piece = encode_piece(new.event, new.place)
            pieces.append(piece)
            layout.append(_pack_layout(len(piece), counter, mark != b"", mark))
        head = (day, record_head(self.base), len(live.keys) - 1, b"".join(pieces), b"".join(layout))
        return SpooledCall(EVENTS_ONCE, live.keys + buckets, [*head, *counted_at])

    def _records(self) -> list[bytes]:
        return join_records(
            record_head(self.base), [encode_piece(new.event, new.place) for new in self.events]
        )


class _LiveHashes:
    """Collects the keys of a call: the stream, then the live hash of each hour that is counted."""

    def __init__(self, write: ShardWrite) -> None:
        self._write = write
        self._received_hour = id_time_ms(write.base) // (_MINUTE_MS * _MINUTES_AN_HOUR)
        self._places: dict[int, int] = {}
        self.keys = [write.keys.events(write.shard)]

    def place(self, minute: int) -> int:
        """The place in the keys, from 1, of the hash for that minute since 1970; 0 when it is not counted."""
        hour = minute // _MINUTES_AN_HOUR
        place = self._places.get(hour)
        if place is None:
            place = self._places[hour] = self._add(hour)
        return place

    def _add(self, hour: int) -> int:
        if abs(self._received_hour - hour) > COUNTED_HOURS:
            return 0
        self.keys.append(self._write.keys.events_live(self._write.shard, hour))
        return len(self.keys)


class EventWriter:
    """Writes batches through one Redis client; of ids that clients gave, each counts once in 24 hours."""

    def __init__(self, redis: PipeliningRedis, keys: StreamKeys, clock: HourClock) -> None:
        self._redis = redis
        self._keys = keys
        self._clock = clock

    def split(self, batch: EventBatch) -> list[ShardWrite]:
        """The batch's events by the shard of their session, in their order; nothing for no events."""
        keys, base = self._keys, batch.base
        if keys.shards == 1:
            return [ShardWrite(keys, 0, base, batch.events)] if batch.events else []
        shards: dict[int, list[NewEvent]] = {}
        of_session: dict[str, list[NewEvent]] = {}  # most batches are of one session
        for new in batch.events:
            session = new.event.session_id
            events = of_session.get(session)
            if events is None:
                events = of_session[session] = shards.setdefault(keys.event_shard_of(session), [])
            events.append(new)
        return [ShardWrite(keys, shard, base, events) for shard, events in shards.items()]

    async def write(self, write: ShardWrite) -> int:
        """Returns how many were duplicates, once Redis has all the others.

        All or nothing, in one call. Raises RedisFailure: the events may then be written or not, and
        `ShardWrite.replay` is what may be sent later in either case.
        """
        for _ in range(_TRIES):
            call = write.encode(self._clock.hour() // _HOURS_A_DAY)
            # Duplicates; or {duplicates, day, hour}, with -1 when it is another day in Redis.
            reply = await call.replay(self._redis)
            if isinstance(reply, int):
                return reply
            if reply[0] >= 0:
                return int(reply[0])
            self._clock.correct(reply[2])
        raise RedisUnavailable("Redis keeps changing its day", maybe_executed=False)


def _letter(new: NewEvent) -> str:
    return TYPE_LETTERS[new.event.type] if new.event.human else BOT_EVENT


def _mark(client_id: bytes) -> tuple[int, bytes]:
    """Where a client's id is noted for the dedupe: a bucket (0 to 65,535) and a field in it (7 bytes)."""
    digest = blake2b(client_id, digest_size=_MARK_BYTES).digest()
    return digest[0] << 8 | digest[1], digest[2:]
