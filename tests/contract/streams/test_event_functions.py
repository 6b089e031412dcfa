"""Events in a real Redis: each once, the record whole, the live counters by the event's own time."""

import asyncio
import time
import uuid
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import pytest

from millrace.streams.event_writer import EventWriter
from millrace.streams.functions import EVENTS_ONCE
from millrace.streams.ids import id_bytes_at, id_text
from millrace.streams.keys import StreamKeys
from millrace.streams.live import read_live
from millrace.streams.redis_clock import RedisClock
from millrace.streams.redis_pipe import PipeliningRedis, RedisReplyError, RedisUnavailable
from millrace.streams.spooled_call import SpooledCall
from tests.contract.streams.event_traffic import (
    BOT,
    MINUTES_A_DAY,
    batch_of,
    stored_events,
    stored_records,
    write,
)
from tests.contract.streams.own_valkey import OwnValkey
from tests.contract.streams.visit import redis_minute

HOUR_S = 3_600
HOUR_MS = 3_600_000
KEPT_S = 49 * HOUR_S


@pytest.fixture
def subject(redis: PipeliningRedis, keys: StreamKeys) -> EventWriter:
    """A writer with a clock that is right."""
    return EventWriter(redis, keys, RedisClock())


def some_id() -> dict[str, str]:
    """An id of a client's that carries no time."""
    return {"id": str(uuid.uuid4())}


def seen(keys: StreamKeys, client_id: str, day: int, session: str = "s") -> tuple[bytes, bytes]:
    """The bucket of an id on a day, and its field there."""
    digest = blake2b(uuid.UUID(client_id).bytes, digest_size=9).digest()
    shard = keys.event_shard_of(session)
    return keys.events_seen(shard, day, int.from_bytes(digest[:2], "big")), digest[2:]


async def live_totals(redis: PipeliningRedis, keys: StreamKeys, at_ms: int | None = None) -> dict[str, int]:
    """The live counters of this and the last hour, or of the hour of an instant, minutes added up."""
    hour = (at_ms or time.time_ns() // 1_000_000) // HOUR_MS
    totals: dict[str, int] = {}
    for live in (await read_live(redis, keys, [hour] if at_ms else [hour - 1, hour])).values():
        for counts in live.minutes.values():
            for letter, number in counts.items():
                totals[letter] = totals.get(letter, 0) + number
    return totals


async def test_events_come_back_as_they_were_taken(
    subject: EventWriter, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """With ids of the client's and without, from the shards of their sessions, in their order."""
    plain = batch_of(*({"sessionId": f"s{number % 7}", "url": f"/{number}"} for number in range(150)))
    named = batch_of(*({"sessionId": f"s{number % 7}", **some_id()} for number in range(150)), {})
    assert [await write(subject, each) for each in (plain, named)] == [0, 0]
    shards: dict[int, list[Any]] = {}
    for batch in (plain, named):
        for new in batch.events:
            shards.setdefault(keys.event_shard_of(new.event.session_id), []).append(new.event)
    assert len(shards) > 1
    assert await stored_events(redis, keys) == [event for shard in sorted(shards) for event in shards[shard]]


@pytest.mark.parametrize("named", [False, True])
async def test_large_batches_become_several_records(
    subject: EventWriter, redis: PipeliningRedis, keys: StreamKeys, named: bool
) -> None:
    """At most 100 events and 64 KiB in each, as full as they can be, whoever put them together."""
    events = [{"metadata": {"note": "x" * (number % 100 * 80)}} for number in range(300)]
    small = [{"url": "/"} for _ in range(201)]
    for each in (events, small):
        await write(subject, batch_of(*({**event, **(some_id() if named else {})} for event in each)))
    records = await stored_records(redis, keys)
    assert len(await stored_events(redis, keys)) == 501
    assert max(map(len, records)) <= 65_536
    counts = [int.from_bytes(record[21:23], "big") for record in records]
    assert counts[-3:] == [100, 100, 1]
    assert len(records) < 30


async def test_an_id_counts_once(subject: EventWriter, redis: PipeliningRedis, keys: StreamKeys) -> None:
    """Twice in a batch, again in a later one, and among events that are new."""
    one, two = some_id(), some_id()
    assert await write(subject, batch_of(one, {}, one, two)) == 1
    assert await write(subject, batch_of(one)) == 1
    assert await write(subject, batch_of(two, some_id(), {}, one)) == 2
    assert len(await stored_records(redis, keys)) == 2
    assert len(await stored_events(redis, keys)) == 5
    assert await live_totals(redis, keys) == {"p": 5}


async def test_a_uuid7_counts_once_too(
    subject: EventWriter, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """Although PostgreSQL would notice it anyway."""
    own = {"id": id_text(id_bytes_at(time.time_ns() // 1_000_000 - HOUR_MS))}
    assert [await write(subject, batch_of(own)) for _ in range(3)] == [0, 1, 1]
    assert [event.client_id for event in await stored_events(redis, keys)] == [None]


async def test_fifty_at_once_count_once(redis_url: str, redis: PipeliningRedis, keys: StreamKeys) -> None:
    """Over two connections, each sending the same batch of three."""
    sent = [some_id() for _ in range(3)]
    async with await PipeliningRedis.open(redis_url, timeout=5.0) as other:
        writers = [EventWriter(each, keys, RedisClock()) for each in (redis, other)] * 25
        duplicates = await asyncio.gather(*(write(writer, batch_of(*sent)) for writer in writers))
    assert sum(duplicates) == 50 * 3 - 3
    assert len(await stored_events(redis, keys)) == 3
    assert await live_totals(redis, keys) == {"p": 3}


@pytest.mark.parametrize(
    ("minutes_ago", "duplicates"), [(0, 1), (720, 1), (1_440, 1), (1_441, 0), (2_000, 0)]
)
async def test_an_id_is_known_for_a_day(
    subject: EventWriter, redis: PipeliningRedis, keys: StreamKeys, minutes_ago: int, duplicates: int
) -> None:
    """24 hours by Redis's time, and at most a minute more, across midnight as within a day."""
    while int((await redis.execute("TIME"))[0]) % 60 > 56:
        await asyncio.sleep(0.2)
    one = some_id()
    day, minute = divmod(await redis_minute(redis) - minutes_ago, MINUTES_A_DAY)
    bucket, field = seen(keys, one["id"], day)
    await redis.execute("HSET", bucket, field, minute)
    assert await write(subject, batch_of(one)) == duplicates


@pytest.mark.parametrize("days_off", [-2, -1, 1])
async def test_a_wrong_clock_is_corrected(redis: PipeliningRedis, keys: StreamKeys, days_off: int) -> None:
    """The first call records nothing; the writer then goes by Redis's day and writes once."""
    clock = RedisClock(lambda: time.time() + days_off * 86_400)
    batch = batch_of(some_id())
    (shard_write,) = EventWriter(redis, keys, clock).split(batch)
    call = shard_write.encode(clock.hour() // 24)
    minute = await redis_minute(redis)
    assert (await call.replay(redis))[:2] == [-1, minute // MINUTES_A_DAY]
    assert await redis.execute("KEYS", keys.prefix + ":*") == []
    assert await EventWriter(redis, keys, clock).write(shard_write) == 0
    assert len(await stored_events(redis, keys)) == 1
    assert clock.hour() == await redis_minute(redis) // 60


async def test_a_clock_that_cannot_be_corrected_is_an_outage(
    redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """Rather than a loop without end."""

    class Stubborn:
        def hour(self) -> int:
            return 0

        def correct(self, redis_hour: int) -> None:
            pass

    writer = EventWriter(redis, keys, Stubborn())
    with pytest.raises(RedisUnavailable) as caught:
        await write(writer, batch_of(some_id()))
    assert caught.value.maybe_executed is False


async def test_live_counters_by_type(subject: EventWriter, redis: PipeliningRedis, keys: StreamKeys) -> None:
    """Humans by the type of event, bots all together."""
    types = ["page_view", "product_view", "click", "add_to_cart", "purchase", "purchase"]
    await write(subject, batch_of(*({"type": each} for each in types)))
    await write(subject, batch_of(*({"type": each, **some_id()} for each in types)))
    await write(subject, batch_of(*({"type": each} for each in types), origin=BOT))
    assert await live_totals(redis, keys) == {"p": 2, "v": 2, "c": 2, "a": 2, "y": 4, "z": 6}


@pytest.mark.parametrize("named", [False, True])
async def test_an_event_counts_live_in_its_own_minute(
    subject: EventWriter, redis: PipeliningRedis, keys: StreamKeys, named: bool
) -> None:
    """By the time it occurred, up to 48 hours ago; older ones are recorded and not counted."""
    now_ms = time.time_ns() // 1_000_000
    offsets = [timedelta(hours=hours) for hours in (0, 5, 48, 50)]
    times = [datetime.fromtimestamp(now_ms / 1_000, UTC) - offset for offset in offsets]
    batch = batch_of(
        *({"timestamp": each.isoformat(), **(some_id() if named else {})} for each in times),
        received_ms=now_ms,
    )
    await write(subject, batch)
    occurred = [new.event.occurred_ms for new in batch.events]
    live = await read_live(redis, keys, [at // HOUR_MS for at in occurred])
    for at, counted in zip(occurred, [{"p": 1}, {"p": 1}, {"p": 1}, {}], strict=True):
        assert live[at // HOUR_MS].minutes.get(at // 60_000 % 60, {}) == counted
    assert len(await stored_events(redis, keys)) == 4


async def test_what_expires_and_when(subject: EventWriter, redis: PipeliningRedis, keys: StreamKeys) -> None:
    """Counters 49 hours after their hour's end, ids 49 hours after their bucket came up, the stream never."""
    one, now_ms = some_id(), time.time_ns() // 1_000_000
    ago = datetime.fromtimestamp(now_ms / 1_000, UTC) - timedelta(hours=20)
    await write(subject, batch_of({**one, "timestamp": ago.isoformat()}, received_ms=now_ms))
    shard, hour = keys.event_shard_of("s"), now_ms // HOUR_MS - 20
    live = keys.events_live(shard, hour)
    assert await redis.execute("EXPIRETIME", live) == (hour + 1) * HOUR_S + KEPT_S
    bucket, _ = seen(keys, one["id"], await redis_minute(redis) // MINUTES_A_DAY)
    assert KEPT_S - 60 < await redis.execute("TTL", bucket) <= KEPT_S
    assert await redis.execute("OBJECT", "ENCODING", bucket) == b"listpack"
    assert await redis.execute("TTL", keys.events(shard)) == -1


async def test_a_batch_of_nothing_but_duplicates_leaves_no_record(
    subject: EventWriter, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """And no empty one either."""
    sent = [some_id() for _ in range(3)]
    await write(subject, batch_of(*sent))
    assert await write(subject, batch_of(*sent)) == 3
    assert len(await stored_records(redis, keys)) == 1


async def test_a_full_redis_refuses_all_or_nothing(own_valkey: OwnValkey, keys: StreamKeys) -> None:
    """No id is taken as seen when its event could not be written: the same batch then goes in whole."""
    async with await PipeliningRedis.open(own_valkey.url, timeout=5.0) as redis:
        subject, batch = EventWriter(redis, keys, RedisClock()), batch_of(some_id(), some_id())
        await redis.execute("CONFIG", "SET", "maxmemory", 1)
        with pytest.raises(RedisReplyError) as caught:
            await write(subject, batch)
        assert caught.value.code == "OOM"
        await redis.execute("CONFIG", "SET", "maxmemory", 0)
        assert await write(subject, batch) == 0


async def replay_all(writer: EventWriter, redis: PipeliningRedis, *batches: Any) -> None:
    """Replays the batches as a spool would: from bytes, in order."""
    for batch in batches:
        for each in writer.split(batch):
            await SpooledCall.decode(each.replay().encode()).replay(redis)


@pytest.mark.parametrize("named", [False, True])
async def test_a_replay_appends_what_may_be_there_already(
    subject: EventWriter, redis: PipeliningRedis, keys: StreamKeys, named: bool
) -> None:
    """The same events with the same ids, for PostgreSQL to notice; live counters say only how many."""
    batch = batch_of(*(({"url": f"/{number}"} | (some_id() if named else {})) for number in range(120)))
    await write(subject, batch)
    before = await stored_events(redis, keys)
    await replay_all(subject, redis, batch, batch)
    assert await stored_events(redis, keys) == before * 3
    assert await live_totals(redis, keys) == {"p": 120}
    hours = {new.event.occurred_ms // HOUR_MS for new in batch.events}
    assert [live.replayed_events for live in (await read_live(redis, keys, hours)).values()] == [240]


async def test_what_was_replayed_is_a_duplicate_afterwards(
    subject: EventWriter, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """Its ids are known from the time of its receipt on, even when that was yesterday."""
    fresh, old, expired = some_id(), some_id(), some_id()
    now_ms = time.time_ns() // 1_000_000
    for one, hours in ((fresh, 0), (old, 23), (expired, 25)):
        await replay_all(subject, redis, batch_of(one, received_ms=now_ms - hours * HOUR_MS))
    assert await write(subject, batch_of(fresh, old, expired)) == 2
    bucket, field = seen(keys, old["id"], (now_ms - 23 * HOUR_MS) // 86_400_000)
    assert int(await redis.execute("HGET", bucket, field)) == (now_ms // 60_000 - 23 * 60) % MINUTES_A_DAY


async def test_a_replay_counts_by_the_events_own_hours(
    subject: EventWriter, redis: PipeliningRedis, keys: StreamKeys
) -> None:
    """What is too long ago when the replay comes is not counted, though it was fresh when it was spooled."""
    now_ms = time.time_ns() // 1_000_000
    for hours in (2, 2, 3, 60):
        await replay_all(subject, redis, batch_of({}, some_id(), received_ms=now_ms - hours * HOUR_MS))
    wanted = {hours: now_ms // HOUR_MS - hours for hours in (2, 3, 60)}
    live = await read_live(redis, keys, wanted.values())
    assert {hours: live[hour].replayed_events for hours, hour in wanted.items()} == {2: 4, 3: 2, 60: 0}
    assert len(await stored_events(redis, keys)) == 8


async def test_the_answer_of_a_call_with_ids(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """Duplicates, then Redis's own day and hour."""
    (shard_write,) = EventWriter(redis, keys, RedisClock()).split(batch_of(some_id()))
    minute = await redis_minute(redis)
    call = shard_write.encode(minute // MINUTES_A_DAY)
    assert call.function == EVENTS_ONCE
    assert await call.replay(redis) == [0, minute // MINUTES_A_DAY, minute // 60]
    assert await call.replay(redis) == [1, minute // MINUTES_A_DAY, minute // 60]
