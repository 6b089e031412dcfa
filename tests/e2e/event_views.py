"""What an operator is shown of events over REST, and by how much it grew between two looks."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.e2e.conftest import Api
from tests.e2e.quiet import is_quiet, spooled_events
from tests.stack import Stack

ANALYTICS = "/api/v1/analytics"
SHOWN_WITHIN_SECONDS = 5.0

COUNTS = ("pageViews", "uniqueVisitors", "sessions", "clicks", "uniqueClicks", "botEvents", "botClicks")
LIVE = ("pageViews", "productViews", "clickEvents", "addToCart", "purchases", "botEvents", "clicks")


@dataclass(frozen=True)
class Look:
    """The shop's numbers at one moment: of a range, and of the minutes since its begin."""

    overview: Counter[str]
    devices: Counter[str]
    funnel: Counter[str]
    live: Counter[str]
    today: Counter[str]
    spooled: int

    def grown_since(self, before: Look) -> dict[str, dict[str, int]]:
        """What was added, without what stayed as it was."""
        return {
            name: {
                key: grown for key, value in counts.items() if (grown := value - getattr(before, name)[key])
            }
            for name, counts in vars(self).items()
            if name != "spooled"
        }

    def assert_live_grew_by(self, expected: Mapping[str, int], before: Look) -> None:
        """By exactly that in the running minutes, save for what had to go by way of a spool."""
        grown = self.grown_since(before)["live"]
        missing = {name: expected.get(name, 0) - grown.get(name, 0) for name in {*expected, *grown}}
        assert all(number >= 0 for number in missing.values()), grown
        assert sum(missing.values()) <= self.spooled - before.spooled, grown


class Views:
    """Reads as an operator does; the range holds the time at which this was made, and an hour after it."""

    def __init__(self, api: Api, stack: Stack) -> None:
        self.api = api
        self._stack = stack
        now = datetime.now(UTC)
        self.began_at = now.replace(second=0, microsecond=0) - timedelta(minutes=1)
        self.range = {"end": (now + timedelta(hours=1)).isoformat(), "timezone": "Europe/Berlin"}
        # So short that visitors are few and therefore counted exactly.
        self.begin_range(timedelta(minutes=15))

    def begin_range(self, ago: timedelta) -> None:
        """Looks so far back from now on."""
        self.range["start"] = (datetime.now(UTC) - ago).isoformat()

    async def read(self, what: str, **query: str) -> Any:
        """The answer of one path below analytics, for the range unless it is about the moment."""
        ranged = {} if what.startswith(("realtime", "events/")) else self.range
        answer = await self.api.get(f"{ANALYTICS}/{what}", params={**ranged, **query})
        assert answer.status == 200, answer.body
        return answer.body

    async def look(self) -> Look:
        """Everything at once, when nothing accepted is on its way any more."""
        await self.until_drained()
        dashboard, funnel, live = await asyncio.gather(
            self.read("dashboard"), self.read("funnel"), self.read("realtime")
        )
        recent = [
            minute["figures"]
            for minute in live["minutes"]
            if datetime.fromisoformat(minute["start"]) >= self.began_at
        ]
        return Look(
            overview=numbers(dashboard["overview"], COUNTS),
            devices=Counter({each["name"]: int(each["events"]) for each in dashboard["devices"]}),
            funnel=Counter({each["name"]: int(each["sessions"]) for each in funnel["steps"]}),
            live=sum((numbers(figures, LIVE) for figures in recent), Counter()),
            today=numbers(live["today"], LIVE),
            spooled=await spooled_events(self._stack),
        )

    async def product(self, product_id: str) -> dict[str, Any]:
        """What is told of one product in the whole range."""
        answer: dict[str, Any] = await self.read(f"products/{product_id}")
        return answer

    async def source(self, name: str) -> dict[str, int]:
        """What came from one traffic source."""
        [found] = [
            each for each in (await self.read("dashboard"))["trafficSources"] if each["name"] == name
        ] or [{}]
        return {key: int(found.get(key, 0)) for key in ("pageViews", "events", "uniqueVisitors")}

    async def until_drained(self) -> None:
        """Waits until everything that was accepted is stored."""
        async with asyncio.timeout(SHOWN_WITHIN_SECONDS):
            while not await is_quiet(self._stack):
                await asyncio.sleep(0.02)


def numbers(figures: Mapping[str, Any], names: tuple[str, ...]) -> Counter[str]:
    """The named whole numbers of an answer, which writes them as strings."""
    return Counter({name: int(figures[name]) for name in names})


async def shown_within(seconds: float, look: Callable[[], Any], expected: object) -> float:
    """Looks until what is expected is shown and says how long that took; fails with the last look."""
    began = time.monotonic()
    while True:
        seen = await look()
        if seen == expected:
            return time.monotonic() - began
        assert time.monotonic() - began < seconds, f"after {seconds} s: {seen}, not {expected}"
        await asyncio.sleep(0.05)
