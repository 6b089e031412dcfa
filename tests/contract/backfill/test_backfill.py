"""The backfill against a real database: as much as invented, once, whatever the number of runs."""

from __future__ import annotations

import asyncio
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis
from server.analytics.closing import days_due
from server.analytics.differences import Proof
from server.analytics.drift_live import compare_live
from workers.backfill.chance import DAY_MS, HOUR_MS
from workers.backfill.history import Past, close_past, read_stage, write_history
from workers.backfill.live import restate_live
from workers.drain.writer import Written

ROOT = Path(__file__).parents[3]
NOW_MS = int(time.time() * 1000)
DAYS = 4
COUNTED = """
    SELECT (SELECT sum(human_clicks + bot_clicks) FROM link_click_rollups) AS link_clicks,
        (SELECT sum(human_clicks + bot_clicks) FROM click_rollups WHERE span_minutes = 15) AS clicks,
        (SELECT sum(human_events + bot_events) FROM event_type_rollups WHERE span_minutes = 15) AS events,
        (SELECT sum(human_events + bot_events) FROM event_source_rollups WHERE span_minutes = 15) AS sourced,
        (SELECT sum(views) FROM product_rollups WHERE span_minutes = 15) AS views,
        (SELECT count(*) FROM event_sessions) AS sessions
"""


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


@pytest.fixture
async def shop(postgres: asyncpg.Connection) -> None:
    """Three products with a page each."""
    await postgres.execute(
        "UPDATE affiliate_program SET product_url_template = 'https://shop.example/products/{slug}'"
    )
    for number in range(3):
        await postgres.execute(
            "INSERT INTO products (product_id, slug, name, description, status, brand, variants, categories, "
            "tags, attributes, ean, image_media_ids, popularity, version, content_hash) VALUES ($1, $1, 'P', "
            "'', 'ACTIVE', '', $3, '{}', '{}', '[]', '{}', '{}', $2, 1, '')",
            f"product-{number}", float(number), '[["sku", 1990, "EUR", true, 5]]',
        )  # fmt: skip


async def history(dsn: str, *, days: int = DAYS, until_ms: int = NOW_MS) -> Past:
    stage = await read_stage(dsn)
    return await write_history(dsn, stage, days=days, until_ms=until_ms, mean_clicks=30, mean_visits=60)


async def counts(postgres: asyncpg.Connection) -> dict[str, Any]:
    return dict(await postgres.fetchrow(COUNTED))


@pytest.mark.usefixtures("shop")
async def test_repeating_adds_nothing(postgres_dsn: str, postgres: asyncpg.Connection) -> None:
    """A second run finds everything there, and every rollup, sketch and session stays as it was."""
    first = await history(postgres_dsn)
    assert first.clicks.inserted > 50
    assert first.events.inserted > 500
    before = await counts(postgres)
    assert before["link_clicks"] == before["clicks"] == first.clicks.inserted
    assert before["events"] == before["sourced"] == first.events.inserted
    again = await history(postgres_dsn)
    assert again == (Written(0, first.clicks.inserted), Written(0, first.events.inserted))
    assert await counts(postgres) == before


@pytest.mark.usefixtures("shop")
async def test_cut_short_and_run_again(postgres_dsn: str, postgres: asyncpg.Connection) -> None:
    """What an earlier, shorter run left is kept, and the next one writes exactly the rest."""
    half = await history(postgres_dsn, until_ms=NOW_MS - 2 * DAY_MS)
    whole = await history(postgres_dsn)
    assert half.events.inserted > whole.events.replayed > 0  # the first two days lie before its own
    rows = await postgres.fetchval("SELECT count(*) FROM events")
    assert rows == half.events.inserted + whole.events.inserted == (await counts(postgres))["events"]


@pytest.mark.usefixtures("shop")
async def test_within_the_days_asked_for(postgres_dsn: str, postgres: asyncpg.Connection) -> None:
    """Nothing is older than the first day or newer than now, be it a click or an event."""
    await history(postgres_dsn)
    for table, instant in (("clicks", "clicked_at"), ("events", "occurred_at")):
        oldest, newest = await postgres.fetchrow(
            f"SELECT min(extract(epoch FROM {instant})), max(extract(epoch FROM {instant})) FROM {table}"  # noqa: S608
        )
        assert NOW_MS - DAYS * DAY_MS <= oldest * 1000 < newest * 1000 < NOW_MS


@pytest.mark.usefixtures("shop")
async def test_past_days_are_closed(postgres_dsn: str, postgres: asyncpg.Connection) -> None:
    """Every day that is over is summed up, so that the first dashboard reads no quarter hours of it."""
    past = await history(postgres_dsn)
    assert await close_past(postgres_dsn, days=DAYS, until_ms=NOW_MS) >= DAYS - 1
    assert await days_due(postgres) == []
    of_days = await postgres.fetchval(
        "SELECT sum(human_events + bot_events) FROM event_type_rollups WHERE span_minutes = 1440"
    )
    assert 0 < of_days < past.events.inserted  # today is not over


@pytest.mark.usefixtures("shop")
async def test_sources_are_told_apart(postgres_dsn: str, postgres: asyncpg.Connection) -> None:
    """The drain finds campaigns, searches, social media and bookmarks among the invented visits."""
    await history(postgres_dsn)
    sources = {row[0] for row in await postgres.fetch("SELECT DISTINCT source FROM events WHERE is_human")}
    assert {"direct", "search", "social", "newsletter", "paid_search", "referral"} <= sources


@pytest.mark.usefixtures("shop")
async def test_live_counters_agree(
    postgres_dsn: str, postgres: asyncpg.Connection, redis_url: str, redis_prefix: str
) -> None:
    """The proof of the last two days finds no difference, though no door counted what was written."""
    until_hour = NOW_MS // HOUR_MS
    await history(postgres_dsn, until_ms=until_hour * HOUR_MS)
    keys = StreamKeys(redis_prefix, 2)
    async with await PipeliningRedis.open(redis_url, timeout=5) as redis:
        proof = Proof()
        assert len(await compare_live(postgres, redis, keys, proof)) > 30
        assert proof.differences
        await restate_live(postgres_dsn, redis_url, keys, until_hour=until_hour)
        proof = Proof()
        assert await compare_live(postgres, redis, keys, proof) == set()
        assert (proof.differences, proof.notes) == ([], [])


async def test_a_shop_without_products(postgres_dsn: str, postgres: asyncpg.Connection) -> None:
    """There are clicks on links, but nobody to walk through the shop."""
    past = await history(postgres_dsn)
    assert past.clicks.inserted > 50
    assert past.events == Written(0, 0)
    assert await postgres.fetchval("SELECT count(*) FROM events") == 0


@pytest.mark.usefixtures("shop")
async def test_command_line(postgres_dsn: str, postgres: asyncpg.Connection) -> None:
    """The command writes clicks for the links it is given and visits, and says what it did."""
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
    clicks, events = said.decode().splitlines()
    assert clicks.startswith(f"{rows[0]['clicks']:,} clicks written for 1 links over 7 days")
    stored = await postgres.fetchval("SELECT count(*) FROM events")
    assert events.startswith(f"{stored:,} events written")
