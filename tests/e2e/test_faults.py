"""kill -9 of one process at a time under click load; afterwards the client's ledger and Postgres agree.

MILLRACE_CHAOS_ROUNDS makes each fault strike so many times more (`make chaos`).
"""

import asyncio
import os
import random
import signal
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.e2e.conftest import Api, eventually
from tests.e2e.ledger import ClickLedger, settled, unrecorded_clicks
from tests.stack import Stack

ROUNDS = int(os.environ.get("MILLRACE_CHAOS_ROUNDS", "1"))
BACK_SECONDS = 30
CATCH_UP_SECONDS = 40


@pytest.fixture
async def link(victim: Stack) -> dict[str, Any]:
    async with aiohttp.ClientSession(victim["edge_url"]) as session:
        made: dict[str, Any] = await Api(session, victim["partner_token"]).made(
            "/api/v1/affiliate/links",
            {
                "destinationUrl": "https://shop.example/p/fault",
                "clickIdParameter": "mclid",
                "customCode": f"fault-{uuid.uuid4().hex[:8]}",
            },
        )
    return made


async def under_fault(
    victim: Stack, link: dict[str, Any], name: str, strike: Callable[[], Awaitable[object]]
) -> ClickLedger:
    """Clicks, lets the fault strike at a moment of chance, and clicks on a while after `name` is back."""
    before = await unrecorded_clicks(victim)
    ledger = ClickLedger(victim, link["shortCode"], unrecorded_before=before)
    stop = asyncio.Event()
    clicking = asyncio.create_task(ledger.click_until(stop))
    for _ in range(ROUNDS):
        await asyncio.sleep(1 + random.random())  # noqa: S311 - any moment will do
        backs = victim.times_back(name)
        await strike()
        await eventually(partial(is_back, victim, name, backs), within_seconds=BACK_SECONDS)
        await asyncio.sleep(1)
    stop.set()
    await clicking
    return ledger


def killing(victim: Stack, *words: str) -> Callable[[], Awaitable[object]]:
    """A strike at the processes with these words in their command lines."""

    async def strike() -> object:
        return victim.kill(*words)

    return strike


async def is_back(victim: Stack, name: str, before: int) -> bool:
    return victim.times_back(name) > before


async def assert_nothing_lost_or_doubled(victim: Stack, ledger: ClickLedger, link: dict[str, Any]) -> None:
    """Every answered click is stored once and no other, save those that an edge counted as unrecorded: a
    machine that stalls for longer than Redis may take makes some, whatever else is going on.
    """
    counted = await unrecorded_clicks(victim) - ledger.unrecorded_before
    stored = await settled(victim, ledger, link["linkId"], within_seconds=CATCH_UP_SECONDS)

    assert ledger.statuses.keys() == {302}
    assert ledger.unanswered == 0
    assert stored.click_ids <= ledger.answered
    assert len(ledger.answered - stored.click_ids) <= counted
    assert (stored.rollup_human, stored.rollup_unique) == (len(stored.click_ids), stored.unique_rows)


async def test_a_killed_drain_loses_and_doubles_nothing(victim: Stack, link: dict[str, Any]) -> None:
    """Its successor finds what was read and not acknowledged."""
    ledger = await under_fault(victim, link, "drain", killing(victim, "workers.drain"))

    await assert_nothing_lost_or_doubled(victim, ledger, link)


async def test_a_killed_postgres_delays_and_loses_nothing(victim: Stack, link: dict[str, Any]) -> None:
    """Redirects go on from snapshots; the drain catches up when Postgres is back."""
    ledger = await under_fault(victim, link, "postgres", killing(victim, "postgres", "-D"))

    await assert_nothing_lost_or_doubled(victim, ledger, link)


async def test_a_killed_edge_loses_nothing_that_it_answered(victim: Stack, link: dict[str, Any]) -> None:
    """What it had not answered may be there or not; nothing else may, save what an edge had counted."""
    edges = victim.pids("-m edge")
    counted_by_the_killed = 0

    async def strike() -> None:
        nonlocal counted_by_the_killed
        counted_by_the_killed += await unrecorded_clicks(victim, "edge-1")
        os.kill(victim.pid_of("edge-1"), signal.SIGKILL)

    ledger = await under_fault(victim, link, "edge-1", strike)

    stored = await settled(victim, ledger, link["linkId"], within_seconds=CATCH_UP_SECONDS)
    counted = counted_by_the_killed + await unrecorded_clicks(victim) - ledger.unrecorded_before

    assert len(victim.pids("-m edge")) == len(edges)
    assert len(ledger.answered - stored.click_ids) <= counted
    assert len(stored.click_ids - ledger.answered) <= ledger.unanswered
    assert stored.rollup_human == len(stored.click_ids)


async def test_a_killed_redis_loses_only_what_was_counted(victim: Stack, link: dict[str, Any]) -> None:
    """Shoppers are redirected meanwhile, and every click that was not recorded is counted."""
    port = str(urlsplit(victim["redis_url"]).port)
    ledger = await under_fault(victim, link, "redis", killing(victim, port))

    stored = await settled(victim, ledger, link["linkId"], within_seconds=CATCH_UP_SECONDS)
    counted = await unrecorded_clicks(victim) - ledger.unrecorded_before

    assert ledger.statuses.keys() == {302}
    assert ledger.unanswered == 0
    assert len(ledger.answered - stored.click_ids) <= counted
    assert stored.click_ids <= ledger.answered
    assert stored.rollup_human == len(stored.click_ids)
    # Redis is back, and the clicks since then are recorded.
    after = ClickLedger(victim, link["shortCode"])
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(1, stop.set)
    await after.click_until(stop)
    again = await settled(victim, after, link["linkId"], within_seconds=CATCH_UP_SECONDS)
    assert after.answered <= again.click_ids
