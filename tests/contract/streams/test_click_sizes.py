"""What a click costs in Redis, measured by Redis."""

import asyncio

import pytest

from millrace.streams.keys import StreamKeys
from millrace.streams.records import encode_click
from millrace.streams.redis_pipe import PipeliningRedis
from tests.contract.streams.own_valkey import OwnValkey
from tests.contract.streams.visit import Visit

ENTRY_BUDGET_BYTES = 180
CLICKS = 2_000


@pytest.mark.parametrize(
    ("product_id", "referrer_host"),
    [
        (None, None),
        ("48213", "www.instagram.com"),
        ("0190a2b3-7c1d-7e2f-8a3b-4c5d6e7f8091", "forum.example-reviews.com"),
    ],
)
async def test_a_stream_entry_stays_within_its_budget(
    redis: PipeliningRedis, keys: StreamKeys, product_id: str | None, referrer_host: str | None
) -> None:
    """MEMORY USAGE of the stream, nodes and all, per click of the kinds that are common."""
    stream = keys.clicks(0)
    visit = Visit(product_id=product_id, referrer_host=referrer_host)
    for _ in range(CLICKS // 100):
        await asyncio.gather(
            *(redis.execute("XADD", stream, "*", "r", encode_click(visit.click())) for _ in range(100))
        )
    assert await redis.execute("MEMORY", "USAGE", stream, "SAMPLES", 0) / CLICKS <= ENTRY_BUDGET_BYTES


async def test_a_bucket_of_the_busiest_day_is_a_listpack(redis: PipeliningRedis, keys: StreamKeys) -> None:
    """At 25 million uniques a day a bucket holds about 381; five deviations more still cost 16 bytes each."""
    bucket, entries = keys.seen(0, 1, 1), 381 + 5 * 20
    pairs = [part for number in range(entries) for part in (number.to_bytes(7, "big"), number)]
    await redis.execute("HSET", bucket, *pairs)
    assert await redis.execute("OBJECT", "ENCODING", bucket) == b"listpack"
    assert await redis.execute("MEMORY", "USAGE", bucket) / entries <= 16


async def test_a_seen_visitor_costs_far_less_than_a_key_of_its_own(own_valkey: OwnValkey) -> None:
    """Two million uniques' worth of density, scaled down to one sixty-fourth of the buckets."""
    async with await PipeliningRedis.open(own_valkey.url, timeout=10.0, max_in_flight=100_000) as redis:
        keys, visitors = StreamKeys(), 2_000_000 // 64
        before = int(own_valkey.command("INFO", "memory")["used_memory"])
        for start in range(0, visitors, 1_000):
            marks = [number * 2_654_435_761 % (1 << 32) for number in range(start, start + 1_000)]
            await asyncio.gather(
                *(
                    redis.execute(
                        "HSET", keys.seen(0, 1, mark % 1_024), mark.to_bytes(7, "big"), mark % 1_440
                    )
                    for mark in marks
                )
            )
        used = int(own_valkey.command("INFO", "memory")["used_memory"]) - before
        assert used / visitors < 20
