"""What an operator does with events on a running stack: proves the numbers, erases a visitor."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.e2e.event_proof import prove
from tests.e2e.event_shop import EVENTS, Shop, event_shop, new_id, record_of
from tests.e2e.event_views import ANALYTICS, shown_within
from tests.stack import Stack

ERASED_WITHIN = 45.0


@pytest.fixture
async def shop(stack: Stack) -> AsyncIterator[Shop]:
    async with event_shop(stack) as shop:
        yield shop


async def test_the_proof_finds_a_planted_difference_and_nothing_else(shop: Shop) -> None:
    """A page view too many in one quarter hour of one country, and the proof points at it alone."""
    await shop.views.until_drained()
    honest = await prove(shop.stack)
    assert honest.code == 0, honest.text[-2_000:]
    bucket = await shop.postgres.fetchval(
        "SELECT max(bucket_start) FROM event_country_rollups WHERE span_minutes = 15"
        " AND country = 'ZZ' AND bucket_start < now() - interval '5 hours'"
    )
    plant = (
        "UPDATE event_country_rollups SET page_views = page_views + $2"
        " WHERE span_minutes = 15 AND country = 'ZZ' AND bucket_start = $1"
    )
    assert await shop.postgres.execute(plant, bucket, 1) == "UPDATE 1"
    try:
        planted = await prove(shop.stack)
    finally:
        await shop.postgres.execute(plant, bucket, -1)
    print(f"\n{planted.text}")

    assert planted.code == 1
    [line] = [line for line in set(planted.text.splitlines()) - set(honest.text.splitlines()) if "ZZ" in line]
    assert f"{bucket:%Y-%m-%d}" in line
    assert "page_views" in line


async def test_an_erased_visitor_is_nowhere(shop: Shop) -> None:
    """No row of any table names them, not even of jobs, nor does a stream; their neighbour stays."""
    browser, person, client_id = shop.browser, f"{shop.mark}-person", new_id(4)
    named = [
        browser.event(type_, session, userId=person)
        for session in ("s1", "s2")
        for type_ in ("page_view", "product_view", "add_to_cart")
    ]
    await browser.accepted([*named, browser.event("purchase", "s1", userId=person, id=client_id)])
    await browser.accepted(browser.event("page_view", "other", userId=f"{shop.mark}-neighbour"))
    await shop.views.until_drained()
    await bury_one(shop, person)
    assert {"events", "stream_dead_letters"} <= set(await tables_naming(shop.postgres, person))

    erased = await shop.admin.made(f"{ANALYTICS}:erase", {"userId": person})

    async def state() -> str:
        return str((await shop.admin.get(f"/api/v1/jobs/{erased['jobId']}")).body["state"])

    seconds = await shown_within(ERASED_WITHIN, state, "DONE")
    print(f"\nerased {seconds:.1f} s after the wish")
    for name in (person, f"{shop.mark}-s1", f"{shop.mark}-s2", client_id):
        assert await tables_naming(shop.postgres, name) == []
    assert await shop.redis.xlen(EVENTS) == 0
    assert (await shop.admin.get(f"{ANALYTICS}/events/{client_id}")).status == 404
    left = await shop.postgres.fetch("SELECT session_id FROM events WHERE product_id = $1", shop.mark)
    assert [row["session_id"] for row in left] == [f"{shop.mark}-other"]
    assert (await prove(shop.stack)).code == 0


async def bury_one(shop: Shop, person: str) -> None:
    """A dead letter that holds an event of this person."""
    event = shop.browser.event("page_view", userId=person)
    now_ms = time.time_ns() // 1_000_000
    await shop.postgres.execute(
        "INSERT INTO stream_dead_letters (stream, entry_id, reason, detail, record)"
        " VALUES ($1, $2, 'refused_by_postgres', 'planted', $3)",
        EVENTS.decode(),
        f"{now_ms}-0",
        record_of(event, client_id=uuid.uuid4().bytes, received_ms=now_ms),
    )


async def tables_naming(postgres: asyncpg.Connection, name: str) -> list[str]:
    """The tables in which any row holds the name, in whatever column."""
    tables = await postgres.fetch(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
    )
    found = []
    for (table,) in tables:
        # Binary columns print as hexadecimal digits.
        naming = f'SELECT count(*) FROM "{table}" t WHERE strpos(t::text, $1) + strpos(t::text, $2) > 0'  # noqa: S608
        if await postgres.fetchval(naming, name, name.encode().hex()):
            found.append(table)
    return found
