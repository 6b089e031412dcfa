"""The operators' commands: what they print and how they end."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from server.analytics.utc_days import date_of
from tests.contract.analytics_upkeep.conftest import Ground
from tests.contract.analytics_upkeep.shop import DAY_MS, event, some_clicks, some_events, today, write

ROOT = Path(__file__).parents[3]


async def command(ground: Ground, *arguments: str) -> tuple[int | None, str]:
    """How `python -m server.analytics` ends, and what it says on both streams."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.analytics", *arguments,
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT}:{ROOT / 'clients'}",
            "MILLRACE_POSTGRES_DSN": ground.dsn,
            "MILLRACE_REDIS_URL": ground.redis_url,
            "MILLRACE_REDIS_PREFIX": ground.keys.prefix,
            "MILLRACE_STREAM_SHARDS": str(ground.keys.shards),
        },
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, said.decode()


async def test_prove_finds_what_rebuild_mends(ground: Ground) -> None:
    """A difference is a line of a table and ends with 1; after the rebuild of its day all is well."""
    day = today() - 4
    await write(
        ground.dsn,
        list(some_events(40, day * DAY_MS, DAY_MS)),
        list(some_clicks(10, day * DAY_MS, DAY_MS)),
    )
    await ground.postgres.execute("UPDATE click_rollups SET bot_clicks = 12 WHERE human_clicks > 0")
    code, said = await command(ground, "prove")
    assert code == 1
    assert f"click_rollups  {date_of(day)} " in said
    assert "bot_clicks" in said
    date = date_of(day).isoformat()
    code, said = await command(ground, "rebuild", "--from", date, "--to", date)
    assert (code, said.split(",")[0]) == (0, "OK: rebuilt 24 hours from 40 events and 10 clicks")
    code, said = await command(ground, "prove")
    assert (code, said[:3]) == (0, "OK:"), said


async def test_rebuild_of_days_that_are_gone_is_refused(ground: Ground) -> None:
    """It ends with 2 and names the option by which days are kept longer."""
    day = today() - 100
    await write(ground.dsn, [event(day * DAY_MS)])
    code, said = await command(
        ground, "rebuild", "--from", date_of(day).isoformat(), "--to", date_of(day).isoformat()
    )
    assert code == 2
    assert "MILLRACE_EVENT_RETENTION_DAYS=90" in said
