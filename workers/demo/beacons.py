"""Events on their way to the edge: one as `sendBeacon` posts it, or a page's in one request."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp

from millrace.streams.ids import id_bytes_at, id_text
from workers.backfill.walks import Step
from workers.demo.browsers import Browser
from workers.demo.tally import Tally

PATH = "/api/v1/analytics/events"

Event = Mapping[str, Any]


class Beacons:
    """Posts the events of one visitor and counts the verdicts."""

    def __init__(self, session: aiohttp.ClientSession, browser: Browser, tally: Tally) -> None:
        self._session = session
        self._browser = browser
        self._tally = tally

    def event(self, step: Step, who: Mapping[str, str]) -> Event:
        """The event of a step that happens now; `who` has its session, and user and referrer if any."""
        event = {"type": step.type, "id": self._new_id(), "url": step.url, **who}
        if step.product_id:
            event["productId"] = step.product_id
        timed = {"timestamp": self._now()} if self._browser.gathers else {}
        return {**event, **timed, **({"metadata": step.metadata} if step.metadata else {})}

    async def send(self, events: Sequence[Event]) -> None:
        """Send what there is in the browser's own way."""
        if self._browser.gathers and events:
            await self._post({"events": events, "sentAt": self._now()}, len(events), "application/json")
            return
        for event in events:
            await self._post(event, 1, "text/plain;charset=UTF-8")

    async def _post(self, body: object, events: int, content_type: str) -> None:
        self._tally.sent += events
        headers = {**self._browser.headers(), "Content-Type": content_type}
        try:
            async with self._session.post(PATH, data=json.dumps(body), headers=headers) as response:
                self._count(events, response.status, await response.json(content_type=None))
        except (aiohttp.ClientError, TimeoutError, ValueError):
            self._tally.unanswered += events

    def _count(self, events: int, status: int, answer: Mapping[str, Any]) -> None:
        if status == 202:
            self._tally.accepted += answer["accepted"]
            self._tally.duplicates += answer["duplicates"]
            self._tally.rejected += len(answer["rejected"])
            return
        self._tally.refusals[status] += 1
        # A refusal that names no event was of the whole request: nobody judged the events.
        rejected = len(answer.get("rejected", ()))
        self._tally.rejected += rejected
        self._tally.unanswered += events - rejected

    def _new_id(self) -> str:
        # Both kinds that clients make: one tells when it was made, the other nothing.
        if self._browser.gathers:
            return id_text(id_bytes_at(int(time.time() * 1000) + self._browser.clock_ms))
        return str(uuid.uuid4())

    def _now(self) -> str:
        at = datetime.fromtimestamp(time.time() + self._browser.clock_ms / 1000, UTC)
        return at.isoformat(timespec="milliseconds")
