"""Edges and servers are restarted one after the other under load, and nobody who asks notices.

MILLRACE_CHAOS_ROUNDS makes it so many times as many restarts (`make chaos`: fifty).
"""

import asyncio
import json
import os
import signal
import statistics
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from tests.e2e.conftest import BROWSER, Api
from tests.e2e.steady_traffic import Asked, SteadyTraffic, json_body
from tests.stack import Stack

ROUNDS = int(os.environ.get("MILLRACE_CHAOS_ROUNDS", "1"))
RESTARTS = 6 if ROUNDS == 1 else 5 * ROUNDS
# Each server right after the other: whoever calls them must have found the first again by then.
IN_TURN = ("server", "server-2", "edge-1", "edge-2")
BACK_SECONDS = 30


@pytest.fixture
async def link(victim: Stack) -> dict[str, Any]:
    async with aiohttp.ClientSession(victim["edge_url"]) as session:
        made: dict[str, Any] = await Api(session, victim["partner_token"]).made(
            "/api/v1/affiliate/links", {"destinationUrl": "https://shop.example/p/rolling"}
        )
    return made


class Requests:
    """What a partner and its shoppers ask for, none of it answered with a refusal."""

    def __init__(self, stack: Stack, link: dict[str, Any], campaign: str) -> None:
        self._as_partner = {"Authorization": f"Bearer {stack['partner_token']}"}
        self._link = link
        self._campaign = campaign

    def kinds(self) -> list[Callable[[], Asked]]:
        return [self.create, self.follow, self.read, self.follow, self.change, self.page]

    def create(self) -> Asked:
        content = {
            "destinationUrl": "https://shop.example/p/rolling",
            "campaign": self._campaign,
            "requestId": str(uuid.uuid4()),
        }
        return self._rest("create", "POST", "/api/v1/affiliate/links", content)

    def read(self) -> Asked:
        return self._rest("read", "GET", f"/api/v1/affiliate/links/{self._link['linkId']}")

    def page(self) -> Asked:
        return self._rest("page", "GET", "/api/v1/affiliate/links?pageSize=3")

    def change(self) -> Asked:
        path = f"/api/v1/affiliate/links/{self._link['linkId']}"
        return self._rest("change", "PATCH", path, {"campaign": "changed"})

    def follow(self) -> Asked:
        return Asked("follow", "GET", f"/l/{self._link['shortCode']}", 302, {"User-Agent": BROWSER})

    def _rest(self, kind: str, method: str, path: str, content: object = None) -> Asked:
        body = b"" if content is None else json_body(content)
        return Asked(kind, method, path, 200, self._as_partner, body)


async def restart(stack: Stack, name: str) -> None:
    """Asks the process to stop, as an orchestrator does, and waits until the next one is there."""
    backs = stack.times_back(name)
    os.kill(stack.pid_of(name), signal.SIGTERM)
    try:
        async with asyncio.timeout(BACK_SECONDS):
            while stack.times_back(name) == backs:
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail("\n".join([f"{name} is not back", *stack.news()[-10:]]))


async def links_of(stack: Stack, campaign: str) -> AsyncIterator[str]:
    """The ids of every link with this label."""
    token = ""
    async with aiohttp.ClientSession(stack["edge_url"]) as session:
        api = Api(session, stack["partner_token"])
        while True:
            page = await api.get(
                "/api/v1/affiliate/links",
                params={"campaign": campaign, "pageSize": "500", "pageToken": token},
            )
            for link in page.body["links"]:
                yield link["linkId"]
            token = page.body["nextPageToken"]
            if not token:
                return


async def test_rolling_restarts_fail_no_request(victim: Stack, link: dict[str, Any]) -> None:
    """Reads, writes and redirects, on kept and fresh connections; and what was answered is there, once."""
    said_before = len(victim.news())
    campaign = f"rolling-{uuid.uuid4().hex[:8]}"
    traffic = SteadyTraffic(victim["edge_url"], Requests(victim, link, campaign).kinds())
    stop = asyncio.Event()
    flowing = asyncio.create_task(traffic.flow_until(stop))
    try:
        for number in range(RESTARTS):
            await restart(victim, IN_TURN[number % len(IN_TURN)])
    finally:
        stop.set()
        await flowing

    print(f"\n{RESTARTS} restarts, {dict(traffic.answered)} answered", end="")
    print(f", median {statistics.median(traffic.seconds):.4f} s, longest {max(traffic.seconds):.2f} s")
    assert not traffic.failures, "\n".join([f"{len(traffic.failures)} failed", *traffic.failures[:40]])
    ends = [line for line in victim.news()[said_before:] if "starting it again" in line]
    assert len(ends) == RESTARTS
    assert all("ended with code 0" in line for line in ends)
    created = [json.loads(body)["linkId"] for body in traffic.bodies["create"]]
    assert sorted(created) == sorted([link_id async for link_id in links_of(victim, campaign)])
