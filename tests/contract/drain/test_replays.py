"""Delivering a click again, in whatever way, changes no number."""

from __future__ import annotations

import random

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

from tests.contract.drain.believable import append, assert_each_once, clicks, until_empty
from tests.contract.drain.drains import RunningDrain


async def test_whole_stream_replayed_twice(
    running_drain: RunningDrain, redis: Redis, stream_key: bytes, postgres: asyncpg.Connection
) -> None:
    """A stream that comes three times in all, each time in another order, counts once."""
    made = clicks(6_000)
    async with running_drain():
        for _ in range(3):
            await append(redis, stream_key, made)
            await until_empty(redis, stream_key)
            random.shuffle(made)
    await assert_each_once(postgres, made)


async def test_twins_within_one_batch(
    running_drain: RunningDrain, redis: Redis, stream_key: bytes, postgres: asyncpg.Connection
) -> None:
    """The same click twice in one read is one row, also when the table knew neither."""
    made = clicks(50)
    await append(redis, stream_key, [*made, *made[:20]])
    async with running_drain():
        await until_empty(redis, stream_key)
    await assert_each_once(postgres, made)


async def test_old_and_new_mixed(
    running_drain: RunningDrain, redis: Redis, stream_key: bytes, postgres: asyncpg.Connection
) -> None:
    """A batch that is half known stores and counts the other half."""
    made = clicks(900)
    async with running_drain():
        for part in (made[:300], made[150:600], made[600:]):
            await append(redis, stream_key, part)
            await until_empty(redis, stream_key)
    await assert_each_once(postgres, made)


async def test_click_with_another_time(
    running_drain: RunningDrain, redis: Redis, stream_key: bytes, postgres: asyncpg.Connection
) -> None:
    """A click id sent again with a time of another day is still the click that came first."""
    made = clicks(10)
    moved = [msgspec.structs.replace(each, at_ms=each.at_ms - 86_400_000) for each in made]
    async with running_drain():
        for part in (made, moved):
            await append(redis, stream_key, part)
            await until_empty(redis, stream_key)
    await assert_each_once(postgres, made)


@pytest.mark.parametrize("apart", [False, True], ids=["in one batch", "one after the other"])
async def test_a_unique_click_stays_one_whichever_copy_comes_first(
    running_drain: RunningDrain,
    redis: Redis,
    stream_key: bytes,
    postgres: asyncpg.Connection,
    apart: bool,
) -> None:
    """The copy from a spool finds the mark of the original and says "not unique"; it may be stored first."""
    original = msgspec.structs.replace(clicks(1)[0], human=True, unique=True, product_id="p-1")
    spooled = msgspec.structs.replace(original, unique=False)
    async with running_drain():
        for part in ([spooled], [original], [spooled]) if apart else ([spooled, original, spooled],):
            await append(redis, stream_key, part)
            await until_empty(redis, stream_key)
    assert await postgres.fetch("SELECT is_unique FROM clicks") == [(True,)]
    for table in ("link_click_rollups", "click_rollups", "product_rollups"):
        counted = await postgres.fetch(f"SELECT human_clicks, unique_clicks FROM {table}")  # noqa: S608
        assert counted == [(1, 1)], table


async def test_two_drains_share_the_work(
    running_drain: RunningDrain, redis: Redis, stream_key: bytes, postgres: asyncpg.Connection
) -> None:
    """Two drains at once, over a stream full of repeats, neither dead-lock nor double."""
    made = clicks(15_000, links=40)
    again = random.sample(made, 5_000)
    await append(redis, stream_key, [*made, *again])
    async with running_drain(), running_drain():
        await until_empty(redis, stream_key)
    await assert_each_once(postgres, made)
