"""One visit, played: through an affiliate link or another way in, then step by step through the shop."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from workers.backfill.entrances import PARTNER_QUERY, Entrance, some_entrance
from workers.backfill.walks import Step, crawl, walk
from workers.demo.beacons import Beacons, Event
from workers.demo.browsers import Browser, some_bot, some_person
from workers.demo.stack import PlayedLink, Scene
from workers.demo.tally import Tally

# Nobody wants to wait as long as people look at pages.
PACE: Final = 20.0
_BOT_SHARE: Final = 0.09
_BY_LINK_SHARE: Final = 0.45
_LOGGED_IN_SHARE: Final = 0.2
_CUSTOMERS: Final = 240
# A browser that saw no answer sends again what may have arrived.
_SENT_TWICE_SHARE: Final = 0.02
_LINK_REFERRERS: Final = (None, "https://www.instagram.com/", "https://www.youtube.com/", "https://t.co/")


class Visit:
    """A visitor to be. `stopping` ends the visit at its next pause."""

    def __init__(
        self, session: aiohttp.ClientSession, scene: Scene, tally: Tally, stopping: asyncio.Event
    ) -> None:
        self._session = session
        self._scene = scene
        self._tally = tally
        self._stopping = stopping
        self._chance = random.Random()  # noqa: S311 - nobody guards anything with it

    async def play(self) -> None:
        """Play the visit to its end; a request that fails is counted and the visitor goes on."""
        chance, shop = self._chance, self._scene.shop
        if chance.random() < _BOT_SHARE:
            await self._play(some_bot(chance), crawl(chance, shop), None)
            return
        person = some_person(chance)
        if self._scene.links and chance.random() < _BY_LINK_SHARE:
            link, referrer = chance.choice(self._scene.links), chance.choice(_LINK_REFERRERS)
            landing = await self._follow(link, person, referrer)
            if landing is None:
                return
            entrance, first = Entrance(urlsplit(landing).query, referrer), shop.product(link.product_id)
        else:
            entrance = some_entrance(chance)
            first = shop.find(chance) if chance.random() < 0.5 else None
        await self._play(
            person, walk(chance, shop, first=first, query=entrance.query), entrance.referrer, self._user()
        )

    async def _follow(self, link: PlayedLink, person: Browser, referrer: str | None) -> str | None:
        """Click on the link; where it leads to, or None when it leads nowhere today."""
        query = "" if link.product_id else f"?{PARTNER_QUERY}"
        headers = {**person.headers(), **({"Referer": referrer} if referrer else {})}
        try:
            async with self._session.get(
                f"/l/{link.code}{query}", headers=headers, allow_redirects=False
            ) as response:
                if response.status != 302:
                    self._tally.refusals[response.status] += 1
                    return None
                self._tally.clicks += 1
                return response.headers["Location"]
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def _play(
        self, browser: Browser, steps: Sequence[Step], referrer: str | None, user_id: str | None = None
    ) -> None:
        beacons = Beacons(self._session, browser, self._tally)
        who = {"sessionId": f"live-{self._chance.getrandbits(64):016x}"}
        who |= {"userId": user_id} if user_id else {}
        who |= {"referrer": referrer} if referrer else {}
        gathered: list[Event] = []
        now_ms = 0
        for step in steps:
            if step.type == "page_view":  # the page before is left, so what was gathered there goes out
                await self._send(beacons, gathered)
                gathered = []
            if await self._waited((step.after_ms - now_ms) / 1000 / PACE):
                break
            now_ms = step.after_ms
            gathered.append(beacons.event(step, who))
            if not browser.gathers:
                await self._send(beacons, gathered)
                gathered = []
        await self._send(beacons, gathered)

    async def _send(self, beacons: Beacons, events: Sequence[Event]) -> None:
        await beacons.send(events)
        if events and self._chance.random() < _SENT_TWICE_SHARE:
            await beacons.send(events)

    async def _waited(self, seconds: float) -> bool:
        """Wait, and say whether it is time to stop."""
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _user(self) -> str | None:
        if self._chance.random() >= _LOGGED_IN_SHARE:
            return None
        return f"customer-{self._chance.randrange(_CUSTOMERS):03d}"
