"""Work of a drain that is gone is taken over by a timer, on a stream where nothing else happens."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest
from redis.asyncio import Redis

from millrace.streams.keys import GROUP
from server.affiliate.click_columns import CLICK_COLUMNS
from tests.contract.drain.believable import append, assert_each_once, clicks, until_empty
from tests.contract.drain.drains import RunningDrain, StartDrain
from workers.drain.click_kind import ClickKind
from workers.drain.click_rows import copy_row
from workers.drain.copy_format import HEADER
from workers.drain.frozen_writers import SESSION
from workers.drain.writer import RowWriter


async def test_killed_drains_entries_within_thirty_seconds(
    start_drain: StartDrain, redis: Redis, stream_key: bytes, postgres: asyncpg.Connection
) -> None:
    """A drain is killed with a batch in hand; another stores it within 30 s, without new traffic."""
    made = clicks(300)
    async with start_drain(killed_at="copied") as dying:
        await append(redis, stream_key, made)
        assert await dying.wait() == -signal.SIGKILL
        killed_at = time.monotonic()
    async with start_drain():
        await until_empty(redis, stream_key, timeout=35)
        assert time.monotonic() - killed_at < 30
    await assert_each_once(postgres, made)


@pytest.mark.usefixtures("impatient")
async def test_empty_dead_consumers_are_deleted(
    running_drain: RunningDrain, redis: Redis, stream_key: bytes
) -> None:
    """A consumer of a process that is gone disappears once nothing of it is pending."""
    await redis.xgroup_create(stream_key, GROUP, "0", mkstream=True)
    await append(redis, stream_key, clicks(5))
    await redis.xreadgroup(GROUP, "gone", {stream_key: ">"})
    async with running_drain():
        async with asyncio.timeout(10):
            while b"gone" in await _consumers(redis, stream_key):
                await asyncio.sleep(0.05)
        await until_empty(redis, stream_key)
    assert await _consumers(redis, stream_key) == set()


@pytest.mark.usefixtures("impatient")
async def test_slow_drain_whose_entries_were_taken(
    running_drain: RunningDrain,
    start_drain: StartDrain,
    redis: Redis,
    stream_key: bytes,
    postgres: asyncpg.Connection,
) -> None:
    """A drain that was only frozen wakes up after another did its work, and nothing is doubled or lost."""
    made = clicks(4_000)
    async with start_drain() as slow:
        await append(redis, stream_key, made[:10])
        await until_empty(redis, stream_key)
        await append(redis, stream_key, made[10:])
        slow.send_signal(signal.SIGSTOP)  # most likely in the middle of the batch
        async with running_drain():
            await until_empty(redis, stream_key)
        slow.send_signal(signal.SIGCONT)
        more = clicks(10)
        await append(redis, stream_key, more)
        await until_empty(redis, stream_key)
        slow.terminate()
        async with asyncio.timeout(10):
            assert await slow.wait() == 0
    await assert_each_once(postgres, [*made, *more])


@pytest.mark.usefixtures("impatient")
async def test_drain_frozen_in_the_middle_of_a_copy(
    running_drain: RunningDrain,
    redis: Redis,
    stream_key: bytes,
    postgres_dsn: str,
    postgres: asyncpg.Connection,
) -> None:
    """Rows that a frozen drain has sent without an end do not hold up the one that took them over."""
    made = clicks(2_500)  # PostgreSQL inserts the rows of a COPY by the thousand
    rows = b"".join([HEADER, *[copy_row(click) for click in made]])
    async with RowWriter(ClickKind(), postgres_dsn) as writer:
        await writer.open()  # makes the partitions
    frozen = await asyncpg.connect(postgres_dsn, server_settings=SESSION)

    async def unfinished() -> AsyncIterator[bytes]:
        yield rows
        await asyncio.Event().wait()

    copying = asyncio.create_task(
        frozen.copy_to_table("clicks", source=unfinished(), columns=CLICK_COLUMNS, format="binary")
    )
    await append(redis, stream_key, made)
    async with running_drain():
        await until_empty(redis, stream_key)
    await assert_each_once(postgres, made)
    copying.cancel()
    await asyncio.wait([copying])
    frozen.terminate()


async def _consumers(redis: Redis, key: bytes) -> set[bytes]:
    return {each["name"] for each in await redis.xinfo_consumers(key, GROUP)}
