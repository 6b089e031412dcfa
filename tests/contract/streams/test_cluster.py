"""The functions on a real server in cluster mode, which refuses a call whose keys lie in two slots."""

from uuid import uuid4

import pytest

from millrace.streams.event_writer import EventWriter
from millrace.streams.keys import StreamKeys
from millrace.streams.live import restate
from millrace.streams.rate_limit import RateLimit
from millrace.streams.redis_clock import RedisClock
from millrace.streams.redis_pipe import PipeliningRedis, RedisReplyError
from tests.contract.streams.event_traffic import batch_of
from tests.contract.streams.own_valkey import OwnValkey
from tests.contract.streams.visit import Visit, redis_minute


@pytest.mark.parametrize("shards", [1, 16])
async def test_a_click_is_one_call_to_one_slot(cluster_valkey: OwnValkey, shards: int) -> None:
    """Clicks on many links work, and the server itself computes one slot for the keys of each call."""
    keys = StreamKeys(shards=shards)
    async with await PipeliningRedis.open(cluster_valkey.url, timeout=5.0) as redis:
        shards_seen = set()
        for visit in [Visit() for _ in range(100)]:
            assert await visit.record(redis, keys) is True
            call = visit.keys_of_call(keys, await redis_minute(redis) // 60)
            assert len({await redis.execute("CLUSTER", "KEYSLOT", key) for key in call}) == 1
            shards_seen.add(keys.shard_of(visit.link_id))
        assert len(shards_seen) == min(shards, len(shards_seen)) >= min(shards, 10)


async def test_the_server_would_notice_two_slots(cluster_valkey: OwnValkey) -> None:
    """The test above means something: mixed shards are refused."""
    keys = StreamKeys(shards=2)
    async with await PipeliningRedis.open(cluster_valkey.url, timeout=5.0) as redis:
        with pytest.raises(RedisReplyError) as caught:
            await redis.fcall("mr_click", [keys.clicks(0), keys.clicks(1)], [])
        assert caught.value.code == "CROSSSLOT"


@pytest.mark.parametrize("shards", [1, 16])
async def test_each_call_with_events_is_to_one_slot(cluster_valkey: OwnValkey, shards: int) -> None:
    """Batches with ids and without, their replays, the rate and the restating of counters all work."""
    keys = StreamKeys(shards=shards)
    async with await PipeliningRedis.open(cluster_valkey.url, timeout=5.0) as redis:
        writer = EventWriter(redis, keys, RedisClock())
        plain: list[dict[str, str]] = [{}] * 60
        for names in (plain, [{"id": str(uuid4())} for _ in plain]):
            batch = batch_of(*({"sessionId": f"s{number}", **name} for number, name in enumerate(names)))
            writes = writer.split(batch)
            assert len(writes) >= min(shards, 10)
            for each in writes:
                assert await writer.write(each) == 0
                day = await redis_minute(redis) // 1_440
                for call in (each.encode(day), each.replay()):
                    assert len({await redis.execute("CLUSTER", "KEYSLOT", key) for key in call.keys}) == 1
                await each.replay().replay(redis)
        assert await RateLimit(redis, keys, 5).admit(b"caller", 1) == 0.0
        await restate(redis, keys, 490_000, 0, {0: {"h": 1, "p": 1}})
        visit = Visit()
        await visit.replay(redis, keys, await redis_minute(redis) - 5)
        assert await visit.record(redis, keys) is False
