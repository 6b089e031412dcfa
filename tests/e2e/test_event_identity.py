"""An event counts once, however often and by whatever way it comes: raw, in rollups, live and as shown."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.event_shop import EVENTS, Browser, Shop, event_shop, new_id, record_of
from tests.e2e.event_views import Look
from tests.e2e.events_ledger import Event
from tests.stack import Stack

Send = Callable[[Browser, Event], Awaitable[tuple[int, int]]]


@pytest.fixture
async def shop(stack: Stack) -> AsyncIterator[Shop]:
    async with event_shop(stack) as shop:
        yield shop


async def twice_in_a_batch(browser: Browser, event: Event) -> tuple[int, int]:
    return summed([await browser.send([event, event])])


async def in_two_batches(browser: Browser, event: Event) -> tuple[int, int]:
    return summed([await browser.send(event), await browser.send([event])])


async def fifty_at_once(browser: Browser, event: Event) -> tuple[int, int]:
    return summed(await asyncio.gather(*(browser.send(event) for _ in range(50))))


async def across_midnight(browser: Browser, event: Event) -> tuple[int, int]:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    shifted = [event | {"timestamp": (midnight + timedelta(seconds=each)).isoformat()} for each in (-1, 0)]
    return summed([await browser.send(each) for each in shifted])


def summed(answers: Sequence[dict[str, Any]]) -> tuple[int, int]:
    return sum(each["accepted"] for each in answers), sum(each["duplicates"] for each in answers)


@pytest.mark.parametrize("version", [4, 7])
@pytest.mark.parametrize(
    ("send", "times", "live"),
    [
        (twice_in_a_batch, 2, 1),
        (in_two_batches, 2, 1),
        (fifty_at_once, 50, 1),
        # Live it belongs to a minute of yesterday.
        (across_midnight, 2, 0),
    ],
)
async def test_an_id_counts_once(shop: Shop, send: Send, times: int, live: int, version: int) -> None:
    """However often it is sent and whatever its timestamp, over both edges."""
    shop.views.begin_range(timedelta(days=2))
    before = await shop.views.look()
    event = shop.browser.event("page_view", id=new_id(version))

    accepted, duplicates = await send(shop.browser, event)

    after = await assert_counted_once(shop, before, live=live)
    assert accepted + duplicates == times
    # Where Redis was too slow to say what it knows, every one of them was accepted.
    assert 1 <= accepted <= 1 + after.spooled - before.spooled


@pytest.mark.parametrize("version", [4, 7])
async def test_an_id_counts_once_after_redis_forgot_it(shop: Shop, version: int) -> None:
    """A day later the stream takes it a second time, and Postgres still knows it."""
    shop.views.begin_range(timedelta(days=4))
    before = await shop.views.look()
    # Of three days ago, so that the live view, which may count it twice, does not count it at all.
    days_ago = (datetime.now(UTC) - timedelta(days=3)).isoformat()
    event = shop.browser.event("page_view", id=new_id(version), timestamp=days_ago)
    await shop.browser.accepted(event)
    await shop.views.until_drained()
    await forget_ids(shop)

    await shop.browser.accepted(event)

    await assert_counted_once(shop, before, live=0)


async def forget_ids(shop: Shop) -> None:
    """What passes of itself within two days."""
    async for key in shop.redis.scan_iter("mr:{e00}:s:*", count=1000):
        await shop.redis.delete(key)


async def test_an_id_received_on_two_days_is_one_event(shop: Shop) -> None:
    """Before and after midnight, under two ids of ours, in two days' partitions: the first one stays."""
    shop.views.begin_range(timedelta(days=5))
    before = await shop.views.look()
    client_id, now_ms = uuid.uuid4().bytes, time.time_ns() // 1_000_000
    event = shop.browser.event("page_view")
    # Both longer ago than anything is counted live, since they come past the doors that count.
    for days_ago in (4, 3):
        received_ms = now_ms - days_ago * 86_400_000
        await shop.append(record_of(event, client_id=client_id, received_ms=received_ms))
        await shop.views.until_drained()

    await assert_counted_once(shop, before, live=0)


async def assert_counted_once(shop: Shop, before: Look, *, live: int) -> Look:
    """One page view in raw rows and in everything made of them; `live` in the running minutes."""
    after = await shop.views.look()
    rows = await shop.postgres.fetchval("SELECT count(*) FROM events WHERE source = $1", shop.mark)
    rolled_up = await shop.postgres.fetchrow(
        "SELECT sum(page_views), sum(human_events) FROM event_source_rollups"
        " WHERE source = $1 AND span_minutes = 15",
        shop.mark,
    )

    assert rows == 1
    assert tuple(rolled_up) == (1, 1)
    assert after.overview["pageViews"] - before.overview["pageViews"] == 1
    after.assert_live_grew_by({"pageViews": live}, before)
    return after


async def test_a_replayed_stream_changes_no_number(shop: Shop) -> None:
    """Every entry is copied before the drain has it and appended again afterwards."""
    browser, drain = shop.browser, shop.stack.pid_of("drain")
    before = await shop.views.look()
    os.kill(drain, signal.SIGSTOP)
    try:
        for type_ in ("page_view", "product_view", "add_to_cart", "purchase"):
            await browser.accepted([browser.event(type_, f"s{place}") for place in range(5)])
            await browser.accepted([browser.event(type_, id=new_id(version)) for version in (4, 7)])
        copies: Any = await shop.redis.xrange(EVENTS)
    finally:
        os.kill(drain, signal.SIGCONT)
    after = await shop.views.look()
    assert after.grown_since(before)["overview"] == {"pageViews": 7, "uniqueVisitors": 5, "sessions": 5}

    for _, fields in copies:
        await shop.redis.xadd(EVENTS, fields)

    assert await shop.views.look() == after
    # More, where some had to go by way of a spool.
    assert len(copies) >= 8
