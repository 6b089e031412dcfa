"""The demo shop of a fresh stack: four weeks of history behind it, and visitors who come on demand."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.conftest import BROWSER, Api, eventually
from tests.stack import ROOT, Stack

DASHBOARD = "/api/v1/analytics/dashboard"
SUMMARY = re.compile(
    r"([\d,]+) visits in \d+ s, ([\d,]+) clicks, ([\d,]+) events sent, ([\d,]+) accepted, "
    r"([\d,]+) duplicate, ([\d,]+) rejected"
)


@pytest.fixture
def four_weeks() -> dict[str, str]:
    """All whole days of the history, as a range."""
    today = datetime.now(UTC).date()
    return {"start": str(today - timedelta(days=27)), "end": str(today), "timezone": "UTC"}


@pytest.fixture
async def dashboard(admin: Api, four_weeks: dict[str, str]) -> Any:
    answer = await admin.get(DASHBOARD, params={**four_weeks, "interval": "day"})
    assert answer.status == 200, answer.body
    return answer.json()


async def test_every_day_has_visitors_and_clicks(dashboard: Any) -> None:
    """No day of the four weeks is empty, and there are far more views than visitors."""
    days = [point["figures"] for point in dashboard["series"]]
    assert len(days) == 27
    assert all(int(day["pageViews"]) > 100 and int(day["clicks"]) > 5 for day in days)
    overview = {
        name: int(dashboard["overview"][name]) for name in ("pageViews", "uniqueVisitors", "botEvents")
    }
    assert overview["pageViews"] > 2 * overview["uniqueVisitors"] > 2_000
    assert overview["botEvents"] > 100


async def test_visitors_come_from_everywhere_on_everything(dashboard: Any) -> None:
    """Several kinds of sources, devices and countries, and ten products that draw."""
    sources = {source["name"] for source in dashboard["trafficSources"]}
    assert {"search", "direct", "social", "newsletter", "paid_search"} <= sources
    devices = {device["name"]: int(device["pageViews"]) for device in dashboard["devices"]}
    assert devices["mobile"] > devices["desktop"] > devices["tablet"] > 0
    assert len(dashboard["countries"]) >= 7
    assert len(dashboard["topProducts"]) == 10
    assert all(int(product["views"]) > 50 for product in dashboard["topProducts"])


async def test_the_funnel_narrows(admin: Api, four_weeks: dict[str, str]) -> None:
    """Some who looked filled a cart, and some of those bought."""
    answer = await admin.get("/api/v1/analytics/funnel", params=four_weeks)
    assert answer.status == 200, answer.body
    viewed, filled, bought = (int(step["sessions"]) for step in answer.json()["steps"])
    assert viewed > 3 * filled > 3 * bought > 100


async def test_an_event_shows_within_seconds(admin: Api, nobody: Api) -> None:
    """A look at a product, sent by nobody in particular, is in the product's figures at once."""
    product_id = f"looked-at-{uuid.uuid4().hex[:8]}"
    event = {"type": "product_view", "sessionId": uuid.uuid4().hex, "productId": product_id}
    sent = await nobody.post("/api/v1/analytics/events", event, headers={"User-Agent": BROWSER})
    assert (sent.status, sent.json()["accepted"]) == (202, 1)
    today = datetime.now(UTC).date()
    params = {"start": str(today), "end": str(today + timedelta(days=1)), "timezone": "UTC"}

    async def is_shown() -> bool:
        answer = await admin.get(f"/api/v1/analytics/products/{product_id}", params=params)
        return answer.status == 200 and int(answer.json()["views"]) == 1

    await eventually(is_shown, within_seconds=5)


async def start_demo(stack: Stack, *options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "workers.demo", *options,
        cwd=ROOT,
        env={
            **os.environ,
            "MILLRACE_STATE_DIR": str(stack.folder / "state"),
            "PYTHONPATH": f"{ROOT}:{ROOT / 'clients'}",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


def summed_up(said: bytes) -> list[int]:
    """The numbers of the demo's last line."""
    found = SUMMARY.fullmatch(said.decode().splitlines()[-1])
    assert found is not None, said
    return [int(number.replace(",", "")) for number in found.groups()]


async def test_the_demo_ends_by_itself(stack: Stack) -> None:
    """Every event it sent has a verdict and none was refused; links were clicked as well."""
    process = await start_demo(stack, "--rate", "40", "--duration", "2.5")
    said, complaint = await process.communicate()
    assert (process.returncode, complaint) == (0, b"")
    visits, clicks, sent, accepted, duplicates, rejected = summed_up(said)
    assert 60 < visits <= 100
    assert clicks > 5
    assert (accepted + duplicates, rejected) == (sent, 0)
    assert accepted > visits / 2


async def test_ctrl_c_ends_the_demo_with_its_sums(stack: Stack) -> None:
    """It waits for the answers that are out and says what it did."""
    process = await start_demo(stack, "--rate", "50")
    assert process.stdout is not None
    assert b"Ctrl-C ends it" in await process.stdout.readline()
    process.send_signal(signal.SIGINT)
    said, complaint = await process.communicate()
    assert (process.returncode, complaint) == (0, b"")
    _, _, sent, accepted, duplicates, _ = summed_up(said)
    assert accepted + duplicates == sent
