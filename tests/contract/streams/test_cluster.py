"""The functions on a real server in cluster mode, which refuses a call whose keys lie in two slots."""

import pytest

from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis, RedisReplyError
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
