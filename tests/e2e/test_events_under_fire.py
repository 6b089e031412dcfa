"""Processes and backing services die, freeze and fill up while clicks and events come in; nothing is lost.

After each fault the clients' ledgers, raw rows, rollups and sessions agree to the last event.
MILLRACE_CHAOS_ROUNDS makes each fault strike so many times, and outages last a minute (`make chaos`).
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
import uuid
from collections.abc import AsyncIterator
from functools import partial

import pytest

from tests.e2e.event_proof import prove
from tests.e2e.events_ledger import Door
from tests.e2e.fire_ground import FireGround, fire_ground
from tests.e2e.fire_traffic import Traffic
from tests.e2e.fire_traffic import assert_agreed as assert_agreed_within
from tests.e2e.misfortunes import (
    MISFORTUNES,
    Act,
    end_child,
    fill_redis,
    freeze_redis,
    kill,
    pause,
    start_redis,
    stop_redis,
    thaw_redis,
    widen_redis,
)

IS_LONG = "MILLRACE_CHAOS_ROUNDS" in os.environ
ROUNDS = int(os.environ.get("MILLRACE_CHAOS_ROUNDS", "1"))
KILLED = ("drain", "edge-1", "redis", "postgres")
OUTAGE_SECONDS = 60.0 if IS_LONG else 1.5
CATCH_UP_SECONDS = 120.0 if IS_LONG else 40.0
TAKE_OVER_SECONDS = 30.0

assert_agreed = partial(assert_agreed_within, within_seconds=CATCH_UP_SECONDS)


@pytest.fixture(scope="module")
async def ground() -> AsyncIterator[FireGround]:
    async with fire_ground() as ground:
        yield ground


@pytest.fixture
async def traffic(ground: FireGround) -> Traffic:
    return await Traffic.start(ground.stack, f"fire-{uuid.uuid4().hex[:8]}")


@pytest.mark.parametrize(
    "names",
    # One after the other: a drain's pending entries are taken over by a timer, which need not be waited for
    # by itself.
    [("drain",), ("edge-1",), ("redis",), ("postgres",)] if IS_LONG else [KILLED],
    ids="-".join,
)
async def test_the_killed_lose_and_double_nothing(
    ground: FireGround, traffic: Traffic, names: tuple[str, ...]
) -> None:
    """kill -9 at moments of chance; successors go on where the dead were."""
    async with traffic.flowing():
        for name in ROUNDS * names:
            await pause()
            await kill(ground, name)
        await pause()
    await assert_agreed(ground, traffic, edge_died="edge-1" in names)


@pytest.mark.parametrize(
    ("strike", "mend"),
    [
        pytest.param(stop_redis, start_redis, id="stopped"),
        pytest.param(freeze_redis, thaw_redis, id="frozen"),
        pytest.param(fill_redis, widen_redis, id="full"),
    ],
)
async def test_redirects_and_ingestion_go_on_without_redis(
    ground: FireGround, traffic: Traffic, strike: Act, mend: Act
) -> None:
    """Everything is acknowledged from the spool, and replayed exactly when Redis is back."""
    async with traffic.flowing():
        await strike(ground)
        struck_at = time.monotonic()
        try:
            await asyncio.sleep(OUTAGE_SECONDS)
            spooled = ground.spooled_bytes()
        finally:
            await mend(ground)
        traffic.assert_served_since(struck_at)
        await pause()
    assert spooled > 0
    await assert_agreed(ground, traffic)


async def test_ingestion_does_not_feel_postgres(ground: FireGround, traffic: Traffic) -> None:
    """While PostgreSQL is away the streams grow; afterwards they are caught up with, exactly."""
    async with traffic.flowing():
        await ground.postgres.stop()
        struck_at = time.monotonic()
        try:
            await asyncio.sleep(OUTAGE_SECONDS)
            traffic.assert_served_since(struck_at)
            spooled = ground.spooled_bytes()
        finally:
            await ground.postgres.start()
        await pause()
    assert spooled == 0
    await assert_agreed(ground, traffic)


async def test_new_edges_adopt_the_spools_of_killed_ones(ground: FireGround, traffic: Traffic) -> None:
    """Both die with full spools while Redis is away; all that they acknowledged is replayed."""
    for _ in range(ROUNDS):
        await ground.redis.stop()
        try:
            async with traffic.flowing():
                await asyncio.sleep(10 if IS_LONG else 0.5)
            spooled = ground.spooled_bytes()
            assert spooled > 0
            await asyncio.gather(kill(ground, "edge-1"), kill(ground, "edge-2"))
            assert ground.spooled_bytes() >= spooled
        finally:
            await ground.redis.start()
        if IS_LONG:  # and once more while they replay
            await asyncio.gather(kill(ground, "edge-1"), kill(ground, "edge-2"))
        await ground.until_quiet(CATCH_UP_SECONDS)
    await assert_agreed(ground, traffic)


async def test_a_batch_sent_again_and_again_counts_once(ground: FireGround, traffic: Traffic) -> None:
    """A client that never believes its answers sends the same ids before, during and after an outage."""
    ledger, door = traffic.events, Door(ground.stack)
    batch = [event for number in (1, 2, 4, 7) for event in ledger.make_batch(number, 10)]
    await ledger.send(door, batch)
    await ground.redis.stop()
    try:
        for _ in range(3):
            await ledger.send(door, batch)
    finally:
        await ground.redis.start()
    for _ in range(3):
        await ledger.send(door, batch)
    door.close()
    await ground.until_quiet(CATCH_UP_SECONDS)
    assert await ledger.stored() == dict.fromkeys(ledger.sent, 1)


@pytest.mark.skipif(not IS_LONG, reason="test_rolling_restarts has it short, with Redis there")
async def test_restarts_in_good_order_fail_no_request(ground: FireGround, traffic: Traffic) -> None:
    """Edges and drain one after the other, with Redis there and in the end without it."""
    async with traffic.flowing():
        for name in ROUNDS * ("edge-1", "edge-2", "drain"):
            await end_child(ground, name, signal.SIGTERM)
        await ground.redis.stop()
        try:
            for name in ("edge-1", "edge-2"):
                await end_child(ground, name, signal.SIGTERM)
        finally:
            await ground.redis.start()
    await assert_agreed(ground, traffic)


@pytest.mark.skipif(not IS_LONG, reason="needs many rounds to meet anything")
async def test_faults_that_come_together(ground: FireGround, traffic: Traffic) -> None:
    """In each round one of Redis, one of PostgreSQL and one of our processes, at moments of chance."""
    async with traffic.flowing():
        for _ in range(2 * ROUNDS):
            drawn = [random.choice(faults) for faults in MISFORTUNES]  # noqa: S311
            print("\n" + ", ".join(each.__name__ for each in drawn), end="", flush=True)
            await asyncio.gather(*(befall(ground, each) for each in drawn))
    # Without Redis and PostgreSQL a new edge knows no link.
    await assert_agreed(ground, traffic, edge_died=True, redirects={302, 503})


async def befall(ground: FireGround, fault: Act) -> None:
    await pause()
    await fault(ground)


@pytest.mark.skipif(not IS_LONG, reason="waits for the takeover's timer; tests/contract/drain has it short")
async def test_a_drain_takes_over_from_a_killed_one_on_an_idle_stream(
    ground: FireGround, traffic: Traffic
) -> None:
    """Two drains hold entries that PostgreSQL does not take; one dies, and nothing comes in any more."""
    async with ground.another("drain", "workers.drain") as second:
        await ground.until_drains(2)
        await ground.postgres.stop()
        async with traffic.flowing():
            await asyncio.sleep(2)
        second.kill()
        killed_at = time.monotonic()
        await ground.postgres.start()
        await ground.until_quiet(TAKE_OVER_SECONDS - (time.monotonic() - killed_at))
        traffic.served.append(f"taken over {time.monotonic() - killed_at:.1f} s after the kill")
    await assert_agreed(ground, traffic)


@pytest.mark.skipif(not IS_LONG, reason="tests/contract/edge has it short")
async def test_a_full_spool_turns_away_what_it_cannot_keep() -> None:
    """Events get 503 and are not stored, clicks are redirected and counted; all the others are there."""
    async with fire_ground(MILLRACE_SPOOL_MAX_BYTES=str(1 << 20)) as ground:
        traffic = await Traffic.start(ground.stack, "fire-spool-full")
        async with traffic.flowing():
            await ground.redis.stop()
            async with asyncio.timeout(60):
                while traffic.events.statuses[503] < 100:
                    await asyncio.sleep(0.1)
            await ground.redis.start()
            await asyncio.sleep(2)
        await assert_agreed(ground, traffic, ingestion={202, 400, 503})


async def test_the_projects_own_proof_agrees(ground: FireGround) -> None:
    """After all of the above `make prove` finds nothing."""
    proof = await prove(ground.stack)
    assert proof.code == 0, proof.text[-2_000:]
