"""Shoppers who click and browse while something dies, and the reckoning afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import aiohttp

from tests.e2e.conftest import Api, eventually
from tests.e2e.event_sums import differences
from tests.e2e.events_ledger import EventLedger, percentile_of
from tests.e2e.fire_ground import FireGround, dead_letters
from tests.e2e.ledger import ClickLedger, stored_clicks, unrecorded_clicks
from tests.e2e.live_gaps import LiveGaps, live_gaps
from tests.stack import Stack

# Of a machine that does all of this at once; what is meant is in docs/performance.md.
SLOWEST_SECONDS = 2.0


@dataclass(frozen=True)
class Traffic:
    """What the shoppers of a test know, on a link and in sessions that no other test touches."""

    clicks: ClickLedger
    events: EventLedger
    link_id: str
    live_before: LiveGaps
    # How shoppers were served during outages, in words.
    served: list[str] = field(default_factory=list)

    @classmethod
    async def start(cls, stack: Stack, code: str) -> Traffic:
        """Makes the link; nobody clicks yet."""
        async with aiohttp.ClientSession(stack["edge_url"]) as session:
            link = await Api(session, stack["partner_token"]).made(
                "/api/v1/affiliate/links",
                {
                    "destinationUrl": "https://shop.example/p/fire",
                    "clickIdParameter": "mclid",
                    "customCode": code,
                },
            )
        clicks = ClickLedger(stack, link["shortCode"], unrecorded_before=await unrecorded_clicks(stack))
        return cls(clicks, EventLedger(stack), link["linkId"], await live_gaps(stack))

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Shoppers click and browse all the while, and have found their pace when this begins."""
        stop = asyncio.Event()
        pace = len(self.clicks.answered) + 20, len(self.events.answers) + 20
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.clicks.click_until(stop, shoppers=4))
            tasks.create_task(self.events.send_until(stop))
            try:
                await eventually(partial(self._has_come_to, *pace), within_seconds=15)
                yield
            finally:
                stop.set()

    async def _has_come_to(self, clicks: int, events: int) -> bool:
        return len(self.clicks.answered) > clicks and len(self.events.answers) > events

    def assert_served_since(self, since: float) -> None:
        """Of what was asked since that moment: shoppers had answers all the while, and soon."""
        for name, answers in (("redirects", self.clicks.answers), ("ingestion", self.events.answers)):
            seconds = [took for asked_at, took in answers if asked_at >= since]
            half, most = percentile_of(seconds, 50), percentile_of(seconds, 99)
            said = f"{name} {len(seconds)} answers, p50 {half * 1000:.1f} ms, p99 {most * 1000:.1f} ms"
            self.served.append(said)
            assert len(seconds) > 20, said
            assert most < SLOWEST_SECONDS, said


async def assert_agreed(
    ground: FireGround,
    traffic: Traffic,
    *,
    within_seconds: float,
    edge_died: bool = False,
    redirects: Set[int] = frozenset({302}),
    ingestion: Set[int] = frozenset({202, 400}),
) -> None:
    """Everything acknowledged is stored once, nothing else is, and every sum says the same.

    Only a client of an edge that died may be without an answer. Every click was another visitor's, and so
    unique, also where a replay was stored before its original.
    """
    clicks, events = traffic.clicks, traffic.events
    await ground.until_quiet(within_seconds)
    found = await events.findings()
    stored = await stored_clicks(ground.stack["postgres_dsn"], traffic.link_id)
    # A disk that stalls for a second has the edges go on without it, and count; new edges count from 0.
    counted = max(0, await unrecorded_clicks(ground.stack) - (0 if edge_died else clicks.unrecorded_before))
    lost = len(clicks.answered - stored.click_ids)
    extra = len(stored.click_ids - clicks.answered)
    repeated = len(stored.click_ids) - stored.unique_rows
    for line in (
        *traffic.served,
        f"{len(clicks.answered)} clicks acknowledged, {clicks.unanswered} without answer: {lost=},"
        f" {extra=}, {counted=} as not recorded, {repeated=}",
        f"{len(events.acknowledged)} events acknowledged, {events.unanswered} requests without answer,"
        f" {dict(events.statuses)}: {found}",
    ):
        print(f"\n{line}", end="")

    assert str(found) == "nothing"
    assert lost <= counted
    assert extra <= clicks.unanswered
    assert events.surprises == []
    assert set(clicks.statuses) <= redirects
    assert set(events.statuses) <= ingestion
    if not edge_died:
        assert (clicks.unanswered, events.unanswered) == (0, 0)
    assert (stored.rollup_human, stored.rollup_unique) == (len(stored.click_ids), stored.unique_rows)
    assert stored.unique_rows == len(stored.click_ids)
    assert await differences(ground.stack["postgres_dsn"]) == []
    assert (await live_gaps(ground.stack)).unexplained_since(traffic.live_before) == []
    assert await dead_letters(ground.stack["postgres_dsn"]) == []
