"""Upkeep of the clicks' days: made ahead, dropped when old, and drains that go on meanwhile."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from functools import partial

import asyncpg
import pytest

from server.affiliate.tasks import KEEP_CLICK_PARTITIONS, ClickPartitionUpkeep
from server.db.day_partitions import DAY_MS, DayPartitions
from server.db.day_partitions import partition_name as name_of_partition
from server.jobs.tasks import Postponed
from tests.contract.drain.believable import clicks
from tests.contract.worker_tasks.conftest import Turn
from workers.drain.click_kind import ClickKind
from workers.drain.writer import RowWriter

KEPT_DAYS = 100

partition_name = partial(name_of_partition, "clicks")


def today() -> int:
    return time.time_ns() // 1_000_000 // DAY_MS


async def partitions(connection: asyncpg.Connection) -> set[str]:
    rows = await connection.fetch(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'clicks'::regclass"
    )
    return {row[0] for row in rows}


@pytest.fixture
async def postgres(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_dsn)
    yield connection
    await connection.close()


async def test_days_ahead_are_made_once(turn: Turn, postgres: asyncpg.Connection) -> None:
    """Today and the next three days get their partitions; a second run finds them there."""
    assert await turn.run(KEEP_CLICK_PARTITIONS, ClickPartitionUpkeep()) == {"made": 4, "dropped": 0}
    day = today()
    assert await partitions(postgres) == {partition_name(each) for each in range(day, day + 4)}
    assert await turn.run(KEEP_CLICK_PARTITIONS, ClickPartitionUpkeep()) == {"made": 0, "dropped": 0}


async def test_days_older_than_retention_go(turn: Turn, postgres: asyncpg.Connection) -> None:
    """The oldest day kept stays with its rows, those before it go, and so does no other table."""
    first_kept = today() - KEPT_DAYS
    await DayPartitions("clicks").ensure(postgres, range(first_kept - 3, first_kept + 1))
    await postgres.execute("CREATE TABLE clicks_2001_01_01 (mine int)")
    done = await turn.run(KEEP_CLICK_PARTITIONS, ClickPartitionUpkeep())
    assert done == {"made": 4, "dropped": 3}
    days = [first_kept, *range(today(), today() + 4)]
    assert await partitions(postgres) == {partition_name(each) for each in days}
    assert await postgres.fetchval("SELECT to_regclass('clicks_2001_01_01')::text") == "clicks_2001_01_01"


async def test_table_in_use_postpones_the_drop(turn: Turn, postgres: asyncpg.Connection) -> None:
    """Whoever reads the clicks for long is not waited for: the day goes later, and none is half gone."""
    old = today() - KEPT_DAYS - 1
    await DayPartitions("clicks").ensure(postgres, [old])
    async with postgres.transaction():
        await postgres.fetchval("SELECT count(*) FROM clicks")
        with pytest.raises(Postponed):
            await turn.run(KEEP_CLICK_PARTITIONS, ClickPartitionUpkeep())
    assert partition_name(old) in await partitions(postgres)


async def test_drain_outlives_a_day_that_is_dropped(
    turn: Turn, postgres: asyncpg.Connection, postgres_dsn: str
) -> None:
    """Late clicks of a day that retention took make it again, though the drain knew it before."""
    old_ms = (today() - KEPT_DAYS - 1) * DAY_MS + 3_600_000
    made = sorted(clicks(40, at_ms=old_ms), key=lambda click: click.click_id)
    async with RowWriter(ClickKind(), postgres_dsn) as writer:
        await writer.write_facts(made[:20])
        assert (await turn.run(KEEP_CLICK_PARTITIONS, ClickPartitionUpkeep()))["dropped"] == 1
        assert await postgres.fetchval("SELECT count(*) FROM clicks") == 0
        assert (await writer.write_facts(made[20:])).inserted == 20
    assert await postgres.fetchval("SELECT count(*) FROM clicks") == 20


async def test_a_worker_whose_clock_is_ahead_drops_nothing(
    turn: Turn, postgres: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL says what day it is: a wrong clock beside it must not cost a day of clicks."""
    await DayPartitions("clicks").ensure(postgres, [today()])
    ahead = time.time_ns() + 420 * 86_400 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: ahead)
    monkeypatch.setattr(time, "time", lambda: ahead / 10**9)
    done = await turn.run(KEEP_CLICK_PARTITIONS, ClickPartitionUpkeep())
    assert done == {"made": 3, "dropped": 0}
