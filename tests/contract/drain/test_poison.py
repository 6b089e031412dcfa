"""Records that can never become rows are set apart with their reason; the rest of their batch goes on."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

from millrace.streams.ids import id_bytes_at
from millrace.streams.keys import GROUP
from millrace.streams.records import Click, encode_click
from tests.contract.drain.believable import append, assert_each_once, clicks, rollups, until_empty
from tests.contract.drain.drains import RunningDrain

FROM_THE_FUTURE = bytes([99, 1]) + b"whatever a later version writes"


def dated(click: Click, ahead: timedelta) -> Click:
    at_ms = int((time.time() + ahead.total_seconds()) * 1000)
    return msgspec.structs.replace(click, click_id=id_bytes_at(at_ms), at_ms=at_ms)


async def letters(postgres: asyncpg.Connection) -> list[tuple[str, bytes]]:
    rows = await postgres.fetch("SELECT reason, record FROM stream_dead_letters ORDER BY stream, entry_id")
    return [(row["reason"], row["record"]) for row in rows]


async def test_poison_among_good_clicks(
    running_drain: RunningDrain, redis: Redis, stream_key: bytes, postgres: asyncpg.Connection
) -> None:
    """Each kind of poison is buried whole, in one batch with good clicks that all arrive."""
    good = clicks(400)
    nul = encode_click(msgspec.structs.replace(good[0], product_id="nul\x00", click_id=clicks(1)[0].click_id))
    wide = encode_click(msgspec.structs.replace(good[0], country="åå", click_id=clicks(1)[0].click_id))
    ahead = encode_click(dated(good[0], timedelta(days=3)))
    ancient = encode_click(dated(good[0], -timedelta(days=91)))
    poison = [
        ("malformed", b"\x01\x01garbage"),
        ("refused_by_postgres", nul),
        ("dated_in_the_future", ahead),
        ("older_than_retention", ancient),
        ("malformed", wide),
    ]
    await append(redis, stream_key, good[:200])
    for _, record in poison:
        await append(redis, stream_key, [record])
    await append(redis, stream_key, good[200:])
    async with running_drain():
        await until_empty(redis, stream_key)
    await assert_each_once(postgres, good)
    assert await letters(postgres) == poison


async def test_entry_with_other_fields(
    running_drain: RunningDrain, redis: Redis, stream_key: bytes, postgres: asyncpg.Connection
) -> None:
    """An entry that is no record at all is buried too, and not met again."""
    await redis.xadd(stream_key, {"hello": "world"})
    async with running_drain():
        await until_empty(redis, stream_key)
    assert await letters(postgres) == [("malformed", b"hello\nworld")]


async def test_bot_that_claims_to_be_unique(
    running_drain: RunningDrain, redis: Redis, stream_key: bytes, postgres: asyncpg.Connection
) -> None:
    """Rows and rollups agree that bots are never unique, whatever a record says."""
    claim = msgspec.structs.replace(clicks(1)[0], human=False, unique=True)
    await append(redis, stream_key, [claim])
    async with running_drain():
        await until_empty(redis, stream_key)
    assert await postgres.fetchval("SELECT count(*) FILTER (WHERE is_unique) FROM clicks") == 0
    assert list((await rollups(postgres)).values()) == [(0, 0, 1)]


@pytest.mark.parametrize("many", [40])
async def test_much_poison(
    many: int,
    running_drain: RunningDrain,
    redis: Redis,
    stream_key: bytes,
    postgres: asyncpg.Connection,
) -> None:
    """Many refused rows in one batch are all found, and found again after a replay they are buried once."""
    good = clicks(1_000)
    poison = [
        encode_click(msgspec.structs.replace(each, referrer_host="\x00", click_id=id_bytes_at(each.at_ms)))
        for each in good[:many]
    ]
    await append(redis, stream_key, [*good, *poison])
    async with running_drain():
        await until_empty(redis, stream_key)
    await assert_each_once(postgres, good)
    assert sorted(await letters(postgres)) == sorted(("refused_by_postgres", each) for each in poison)


@pytest.mark.usefixtures("impatient")
async def test_unknown_version_stays_pending(
    running_drain: RunningDrain, redis: Redis, stream_key: bytes, postgres: asyncpg.Connection
) -> None:
    """A record of a later version is neither buried nor acknowledged, nor claimed again by a living drain."""
    good = clicks(20)
    await append(redis, stream_key, [*good[:10], FROM_THE_FUTURE, *good[10:]])
    async with running_drain():
        await _until_entries(redis, stream_key, 1)
        (pending,) = await redis.xpending_range(stream_key, GROUP, "-", "+", 10)
        for click in clicks(10):  # a second of traffic, in which the take-over timer comes round
            await append(redis, stream_key, [click])
            await _until_entries(redis, stream_key, 1)
        (later,) = await redis.xpending_range(stream_key, GROUP, "-", "+", 10)
    assert (later["consumer"], later["times_delivered"]) == (pending["consumer"], 1)
    assert await letters(postgres) == []


@pytest.mark.usefixtures("impatient")
async def test_newer_drain_finds_what_an_older_one_left(
    running_drain: RunningDrain, redis: Redis, stream_key: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the older drain is gone, the next one takes the entry over and judges it for itself."""
    await append(redis, stream_key, [FROM_THE_FUTURE])
    async with running_drain():
        await _until_pending(redis, stream_key)
    monkeypatch.setattr("workers.drain.click_kind.decode_click", lambda _record: clicks(1)[0])
    async with running_drain():
        await until_empty(redis, stream_key)


async def _until_entries(redis: Redis, key: bytes, count: int) -> None:
    async with asyncio.timeout(10):
        while await redis.xlen(key) != count:
            await asyncio.sleep(0.01)


async def _until_pending(redis: Redis, key: bytes) -> None:
    async with asyncio.timeout(10):
        while not (await redis.exists(key) and await _pending(redis, key)):
            await asyncio.sleep(0.01)


async def _pending(redis: Redis, key: bytes) -> int:
    groups = await redis.xinfo_groups(key)
    return groups[0]["pending"] if groups else 0
