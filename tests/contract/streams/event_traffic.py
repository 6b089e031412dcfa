"""Events as the edge would write them, and what Redis then holds of them."""

import json
import time
from typing import Any

from millrace.streams.event_input import EventBatch, Origin, read_batch
from millrace.streams.event_records import StreamEvent, decode_events
from millrace.streams.event_writer import EventWriter
from millrace.streams.ids import id_bytes_at
from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis

HUMAN = Origin(human=True, device="desktop", country="DE")
BOT = Origin(human=False, device="bot", country="ZZ")
MINUTES_A_DAY = 1_440


def batch_of(*events: dict[str, Any], origin: Origin = HUMAN, received_ms: int | None = None) -> EventBatch:
    """The batch of these events, page views of the session `s` unless they say otherwise; received now."""
    sent = [{"type": "page_view", "sessionId": "s", **event} for event in events]
    now_ms = received_ms or time.time_ns() // 1_000_000
    batch = read_batch(json.dumps(sent).encode(), origin, now_ms=now_ms, base=id_bytes_at(now_ms))
    assert batch.rejected == []
    return batch


async def write(writer: EventWriter, batch: EventBatch) -> int:
    """Writes the whole batch and returns its duplicates."""
    return sum([await writer.write(each) for each in writer.split(batch)])


async def stored_records(redis: PipeliningRedis, keys: StreamKeys) -> list[bytes]:
    """Every record in the event streams, shard by shard."""
    records = []
    for stream in keys.all_events():
        for _, fields in await redis.execute("XRANGE", stream, "-", "+"):
            assert fields[0] == b"r"
            assert len(fields) == 2
            records.append(fields[1])
    return records


async def stored_events(redis: PipeliningRedis, keys: StreamKeys) -> list[StreamEvent]:
    """Every event in the event streams, shard by shard."""
    return [event for record in await stored_records(redis, keys) for event in decode_events(record)]
