"""Old days go with all that belongs to them, those that are kept stay whole, and days ahead are made."""

from __future__ import annotations

import pytest

from server.analytics.tasks import KEEP_EVENT_PARTITIONS, PROVE_DRIFT, DriftProof, EventUpkeep
from server.db.day_partitions import partition_name
from server.jobs.tasks import PermanentFailure, Postponed
from tests.contract.analytics_upkeep.conftest import Ground
from tests.contract.analytics_upkeep.shop import (
    DAY_MS,
    HOUR_MS,
    event,
    some_clicks,
    some_events,
    this_hour_ms,
    today,
    write,
)
from tests.contract.worker_tasks.conftest import Turn


async def test_raw_days_and_their_identities_go(turn: Turn, ground: Ground) -> None:
    """The day after the limit goes with its client ids; the last one kept stays, with its own."""
    days = [today() - 91, today() - 90]
    await write(
        ground.dsn,
        [event(day * DAY_MS, client_id=bytes([n]) * 6 + b"\x40" + bytes(9)) for n, day in enumerate(days)],
    )
    done = await turn.run(KEEP_EVENT_PARTITIONS, EventUpkeep())
    # Today and the next days were made by the writer.
    assert done == {"made": 0, "dropped": 1, "identities": 1, "counts": 0, "dead_letters": 0}
    assert await ground.postgres.fetchval("SELECT count(*) FROM events") == 1
    kept = await ground.postgres.fetchval("SELECT client_id::text FROM event_identities")
    assert kept.startswith("01010101-0101-4")
    assert await ground.postgres.fetchval("SELECT count(*) FROM event_type_rollups") == 2


async def test_days_ahead_are_made(turn: Turn, ground: Ground) -> None:
    """Today and the next three days have partitions before an event needs them."""
    assert (await turn.run(KEEP_EVENT_PARTITIONS, EventUpkeep()))["made"] == 4
    name = partition_name("events", today() + 3)
    assert await ground.postgres.fetchval("SELECT to_regclass($1)::text", name) == name


async def test_counts_go_after_their_months(turn: Turn, ground: Ground) -> None:
    """Rollups, closings and sessions older than 25 months go, and dead letters older than raw events."""
    for months in (24, 26):
        at = await ground.postgres.fetchval("SELECT now() - make_interval(months => $1)", months)
        for statement in (
            "INSERT INTO click_rollups (span_minutes, bucket_start) VALUES (15, $1)",
            "INSERT INTO event_type_rollups (span_minutes, bucket_start, type) VALUES (1440, $1, 'click')",
            "INSERT INTO rollup_closings (span_minutes, bucket_start) VALUES (1440, $1)",
            "INSERT INTO event_sessions (session_id, started_at, last_event_at) "
            "VALUES (md5($1::timestamptz::text), $1, $1)",
        ):
            await ground.postgres.execute(statement, at)
    for days in (89, 91):
        await ground.postgres.execute(
            "INSERT INTO stream_dead_letters (stream, entry_id, reason, detail, record, died_at) "
            "VALUES ('s', $1::int::text, 'malformed', '', '', now() - make_interval(days => $1))",
            days,
        )
    done = await turn.run(KEEP_EVENT_PARTITIONS, EventUpkeep())
    assert (done["counts"], done["dead_letters"]) == (4, 1)
    for table in ("click_rollups", "event_type_rollups", "rollup_closings", "event_sessions"):
        assert await ground.postgres.fetchval(f"SELECT count(*) FROM {table}") == 1  # noqa: S608


async def test_table_in_use_postpones_the_drop(turn: Turn, ground: Ground) -> None:
    """Whoever reads the events for long is not waited for."""
    await write(ground.dsn, [event((today() - 95) * DAY_MS)])
    async with ground.postgres.transaction():
        await ground.postgres.fetchval("SELECT count(*) FROM events")
        with pytest.raises(Postponed):
            await turn.run(KEEP_EVENT_PARTITIONS, EventUpkeep())


async def test_hourly_proof_restates_what_is_live(turn: Turn, ground: Ground) -> None:
    """Live counters that lost an hour are set right from rows, and the next proof finds nothing."""
    at_ms = this_hour_ms() - 5 * HOUR_MS
    await write(ground.dsn, list(some_events(30, at_ms, HOUR_MS)), list(some_clicks(10, at_ms, HOUR_MS)))
    first = await turn.run(PROVE_DRIFT, DriftProof())
    assert first["live_differences"] > 0
    assert first["restated_hours"] == 1
    assert await ground.differing() == []
    assert (await turn.run(PROVE_DRIFT, DriftProof()))["live_differences"] == 0


async def test_hourly_proof_calls_for_somebody_when_counts_are_wrong(turn: Turn, ground: Ground) -> None:
    """What only a rebuild mends makes a dead job, whose error names the table."""
    at_ms = this_hour_ms() - 5 * HOUR_MS
    await write(ground.dsn, [event(at_ms)])
    await ground.postgres.execute("UPDATE event_type_rollups SET human_events = 7")
    with pytest.raises(PermanentFailure, match=r"event_type_rollups .*human_events 7, expected 1"):
        await turn.run(PROVE_DRIFT, DriftProof())
