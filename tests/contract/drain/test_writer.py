"""The writer's partitions: there in time, made by several at once, made again when dropped."""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial

import asyncpg

from millrace.streams.records import Click
from server.db.day_partitions import DAY_MS, DayPartitions
from server.db.day_partitions import partition_name as name_of_partition
from tests.contract.drain.believable import assert_each_once, clicks
from workers.drain.click_kind import ClickKind
from workers.drain.frozen_writers import SESSION
from workers.drain.writer import DAYS_AHEAD, RowWriter
from workers.retries import POSTGRES_FAILURES

partition_name = partial(name_of_partition, "clicks")


def click_writer(dsn: str) -> RowWriter[Click, Click]:
    return RowWriter(ClickKind(), dsn)


async def partitions(postgres: asyncpg.Connection) -> set[str]:
    rows = await postgres.fetch(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'clicks'::regclass"
    )
    return {row[0] for row in rows}


async def test_days_ahead_are_made_at_the_start(postgres_dsn: str, postgres: asyncpg.Connection) -> None:
    """Midnight finds its partition made."""
    async with click_writer(postgres_dsn) as writer:
        await writer.open()
    today = int(time.time() * 1000) // DAY_MS
    assert await partitions(postgres) == {partition_name(day) for day in range(today, today + DAYS_AHEAD + 1)}


async def test_commits_are_on_disk_whatever_the_database_prefers(postgres_dsn: str) -> None:
    """Redis forgets what is committed, so a database that answers before it has synced is overruled."""
    connection = await asyncpg.connect(postgres_dsn)
    database = await connection.fetchval("SELECT quote_ident(current_database())")
    await connection.execute(f"ALTER DATABASE {database} SET synchronous_commit = off")
    try:
        session = await asyncpg.connect(postgres_dsn, server_settings=SESSION)
        assert await session.fetchval("SHOW synchronous_commit") == "on"
        await session.close()
    finally:
        await connection.execute(f"ALTER DATABASE {database} RESET synchronous_commit")
        await connection.close()


async def test_batch_over_midnight(postgres_dsn: str, postgres: asyncpg.Connection) -> None:
    """A batch whose clicks lie on both sides of a midnight long past lands in two partitions."""
    midnight_ms = (int(time.time() * 1000) // DAY_MS - 10) * DAY_MS
    made = clicks(200, at_ms=midnight_ms + 900_000)
    async with click_writer(postgres_dsn) as writer:
        await writer.write_facts(made)
    await assert_each_once(postgres, made)
    for day in (midnight_ms // DAY_MS - 1, midnight_ms // DAY_MS):
        table = partition_name(day)
        assert await postgres.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - a name of ours


async def test_many_make_the_same_partitions(postgres_dsn: str, postgres: asyncpg.Connection) -> None:
    """Drains that start together do not trip over each other."""
    connections = [await asyncpg.connect(postgres_dsn) for _ in range(6)]
    await asyncio.gather(*(DayPartitions("clicks").ensure(each, range(100, 120)) for each in connections))
    await asyncio.gather(*(each.close() for each in connections))
    assert len(await partitions(postgres)) == 20


async def test_dropped_partition_is_made_again(postgres_dsn: str, postgres: asyncpg.Connection) -> None:
    """A day that retention dropped under a running drain is no reason to bury its clicks."""
    made = clicks(20)
    today = int(time.time() * 1000) // DAY_MS
    async with click_writer(postgres_dsn) as writer:
        await writer.open()
        for day in (today - 1, today):
            await postgres.execute(f"DROP TABLE IF EXISTS {partition_name(day)}")
        await writer.write_facts(made)
    await assert_each_once(postgres, made)


async def test_connection_ended_between_batches(postgres_dsn: str, postgres: asyncpg.Connection) -> None:
    """A server that ends an idle connection costs one try, whatever asyncpg makes of it."""
    made = clicks(400)
    async with click_writer(postgres_dsn) as writer:
        for start in range(0, len(made), 20):
            batch = made[start : start + 20]
            await writer.write_facts(batch)
            await postgres.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'millrace-drain' AND datname = current_database()"
            )
            with contextlib.suppress(*POSTGRES_FAILURES):
                await writer.write_facts(batch)
            writer.drop()
    await assert_each_once(postgres, made)


async def test_writers_of_the_same_clicks(postgres_dsn: str, postgres: asyncpg.Connection) -> None:
    """Four writers with the same batches at the same time wait for each other, and one of them counts."""
    made = clicks(3_000, links=30)
    batches = [made[start : start + 500] for start in range(0, len(made), 500)]

    async def write_all(writer: RowWriter[Click, Click]) -> int:
        async with writer:
            return sum([(await writer.write_facts(batch)).inserted for batch in batches])

    inserted = await asyncio.gather(*(write_all(click_writer(postgres_dsn)) for _ in range(4)))
    assert sum(inserted) == len(made)
    await assert_each_once(postgres, made)
