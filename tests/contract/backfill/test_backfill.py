"""The backfill against a real database: as many clicks as invented, once, whatever the number of runs."""

from __future__ import annotations

import asyncio
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from workers.backfill.history import promoted_links, write_history
from workers.drain.decoding import DAY_MS

ROOT = Path(__file__).parents[3]
NOW_MS = int(time.time() * 1000)


@pytest.fixture
async def postgres(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_dsn)
    partner_id = uuid.uuid4()
    await connection.execute(
        "INSERT INTO partners (partner_id, name, email, email_key, status) "
        "VALUES ($1, 'A', 'a@example.org', 'a@example.org', 'ACTIVE')",
        partner_id,
    )
    for number in range(3):
        await connection.execute(
            "INSERT INTO links (link_id, partner_id, product_id, destination_url, tracking_code, short_code, "
            "status, forward_query, version) VALUES ($1, $2, $3, 'https://shop.example', $4, $4, 'ACTIVE', "
            "false, 1)",
            uuid.uuid4(), partner_id, f"product-{number}", f"code-{number}",
        )  # fmt: skip
    yield connection
    await connection.close()


async def test_repeated_backfill(postgres_dsn: str, postgres: asyncpg.Connection) -> None:
    """A second run finds everything there; one an hour later adds that hour only; rollups say the same."""
    links = await promoted_links(postgres_dsn)
    assert len(links) == 3
    first = await write_history(postgres_dsn, links, days=28, until_ms=NOW_MS, mean_clicks=30)
    assert first.inserted > 500
    assert first.replayed == 0
    again = await write_history(postgres_dsn, links, days=28, until_ms=NOW_MS, mean_clicks=30)
    assert again == (0, first.inserted)
    rows = await postgres.fetchval("SELECT count(*) FROM clicks")
    counted = await postgres.fetchval("SELECT sum(human_clicks + bot_clicks) FROM link_click_rollups")
    assert rows == counted == first.inserted
    newest = await postgres.fetchval("SELECT max(extract(epoch FROM clicked_at) * 1000) FROM clicks")
    oldest = await postgres.fetchval("SELECT min(extract(epoch FROM clicked_at) * 1000) FROM clicks")
    assert NOW_MS - 28 * DAY_MS <= oldest < newest < NOW_MS


async def test_command_line(postgres_dsn: str, postgres: asyncpg.Connection) -> None:
    """The command writes for the links it is given, and says what it did."""
    link_id = await postgres.fetchval("SELECT link_id FROM links LIMIT 1")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "workers.backfill", "--days", "7", "--link", str(link_id),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "MILLRACE_POSTGRES_DSN": postgres_dsn,
            "PYTHONPATH": f"{ROOT}:{ROOT / 'clients'}",
        },
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0
    rows = await postgres.fetch("SELECT link_id, count(*) AS clicks FROM clicks GROUP BY link_id")
    assert [row["link_id"] for row in rows] == [link_id]
    assert said.decode().startswith(f"{rows[0]['clicks']:,} clicks written for 1 links over 7 days")
