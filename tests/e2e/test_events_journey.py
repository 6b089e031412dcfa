"""A visit to the shop, from the events its pages send to what an operator is shown, by public doors only."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

import millrace
from millrace.analytics.v1 import analytics_service_pb2 as analytics
from millrace.analytics.v1 import event_pb2
from tests.e2e.event_shop import Browser, Shop, event_shop, new_id
from tests.e2e.event_views import Look, Views, shown_within
from tests.e2e.events_ledger import CRAWLER, Event
from tests.stack import Stack

PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.1 Mobile/15E148 Safari/604.1"
)
SHOWN_WITHIN = 5.0
VIEWS_OF_PRODUCT = 30


@pytest.fixture
async def shop(stack: Stack) -> AsyncIterator[Shop]:
    async with event_shop(stack) as shop:
        yield shop


@dataclass(frozen=True)
class Visit:
    """An evening in the shop: two people, one of them twice, and a crawler; the numbers before and after."""

    browser: Browser
    views: Views
    before: Look
    after: Look
    shown_after: float
    ids: tuple[str, str]


@pytest.fixture(scope="module")
async def visit(stack: Stack) -> AsyncIterator[Visit]:
    async with event_shop(stack) as shop:
        browser, views = shop.browser, shop.views
        before = await views.look()
        ids = (new_id(4), new_id(7))
        await send_visit(browser, ids)
        expected = {"pageViews": 2, "events": 8 + VIEWS_OF_PRODUCT, "uniqueVisitors": 2}
        shown_after = await shown_within(SHOWN_WITHIN, lambda: views.source(browser.mark), expected)
        yield Visit(browser, views, before, await views.look(), shown_after, ids)


async def send_visit(browser: Browser, ids: tuple[str, str]) -> None:
    """Every type of event, in every form in which a request may come."""
    event, ann = browser.event, {"userId": f"{browser.mark}-ann"}
    await browser.accepted(event("page_view", **ann))
    bought = {"amount": 2995, "currency": "EUR", "orderId": "o-1", "quantity": 1}
    await browser.accepted(
        [
            event("product_view", id=ids[0], **ann),
            event("add_to_cart", id=ids[1], **ann),
            event("purchase", metadata=bought, **ann),
        ]
    )
    # Her other device's clock is an hour slow.
    slow = datetime.now(UTC) - timedelta(hours=1)
    seen_at = (slow - timedelta(seconds=2)).isoformat()
    on_phone = [
        event("product_view", "s2", timestamp=seen_at, **ann),
        event("click", "s2", timestamp=seen_at, **ann),
    ]
    await browser.accepted({"events": on_phone, "sentAt": slow.isoformat()}, agent=PHONE)
    await browser.accepted(event("product_view", "s3"), media_type="text/plain;charset=UTF-8")
    many = [event("product_view", "s3") for _ in range(VIEWS_OF_PRODUCT)]
    await browser.accepted([event("page_view", "s3"), *many], gzipped=True)
    await browser.accepted([event("page_view", "s4"), event("product_view", "s4")], agent=CRAWLER)


def test_the_dashboard_grows_by_what_was_sent(visit: Visit) -> None:
    """People's views, visitors and sessions; the crawler apart; affiliate clicks are something else."""
    print(f"\nshown {visit.shown_after:.2f} s after it was sent")
    grown = visit.after.grown_since(visit.before)

    assert grown["overview"] == {"pageViews": 2, "uniqueVisitors": 2, "sessions": 3, "botEvents": 2}
    devices = {name: count for name, count in grown["devices"].items() if name != "bot"}
    assert devices == {"desktop": 6 + VIEWS_OF_PRODUCT, "mobile": 2}


def test_the_running_minutes_grow_as_well(visit: Visit) -> None:
    """Each event in the minute in which it happened, so that today is the sum of its minutes."""
    expected = {
        "pageViews": 2,
        "productViews": 3 + VIEWS_OF_PRODUCT,
        "clickEvents": 1,
        "addToCart": 1,
        "purchases": 1,
        "botEvents": 2,
    }
    visit.after.assert_live_grew_by(expected, visit.before)
    grown = visit.after.grown_since(visit.before)
    # Midnight in between begins another today.
    assert grown["today"] == grown["live"] or visit.after.today["pageViews"] < visit.before.today["pageViews"]


def test_the_funnel_knows_who_went_how_far(visit: Visit) -> None:
    """Three sessions saw a product, one of them bought."""
    grown = visit.after.grown_since(visit.before)

    assert grown["funnel"] == {"product_view": 3, "add_to_cart": 1, "purchase": 1}


async def test_a_product_has_its_own_figures(visit: Visit) -> None:
    """The same in its page, in its series, in its CSV and among the top products."""
    mark, expected = visit.browser.mark, {"views": 3 + VIEWS_OF_PRODUCT, "addToCart": 1, "purchases": 1}
    page = await visit.views.product(mark)
    rows = parsed_csv(await visit.views.read(f"products/{mark}:exportCsv", interval="hour"))
    top = (await visit.views.read("dashboard"))["topProducts"]

    assert {name: int(page[name]) for name in expected} == expected
    for name, count in expected.items():
        assert sum(int(point["figures"][name]) for point in page["series"]) == count
        assert sum(int(row[snake_case(name)]) for row in rows) == count
    [shown] = [each for each in top if each["productId"] == mark]
    assert {name: int(shown[name]) for name in expected} == expected


@pytest.mark.parametrize("table", ["topProducts", "trafficSources", "devices", "countries"])
async def test_csv_says_what_the_dashboard_says(visit: Visit, table: str) -> None:
    """Row by row, under the same names in snake case."""
    shown = (await visit.views.read("dashboard"))[table]
    rows = parsed_csv(await visit.views.read("dashboard:exportCsv", table=table))

    assert [without_money(row) for row in rows] == [
        without_money({snake_case(name): value for name, value in each.items()}) for each in shown
    ]


async def test_csv_of_series_funnel_and_minutes_says_the_same(visit: Visit) -> None:
    """The other tables too; a series sums to its total."""
    dashboard, funnel = await visit.views.read("dashboard"), await visit.views.read("funnel")
    series = parsed_csv(await visit.views.read("dashboard:exportCsv", interval="hour"))
    steps = parsed_csv(await visit.views.read("funnel:exportCsv"))
    minutes = parsed_csv(await visit.views.read("realtime:exportCsv"))

    assert sum(int(row["page_views"]) for row in series) == int(dashboard["overview"]["pageViews"])
    assert [(row["step"], row["sessions"]) for row in steps] == [
        (step["name"], step["sessions"]) for step in funnel["steps"]
    ]
    assert len(minutes) == 60
    assert sum(int(row["product_views"]) for row in minutes) >= 3 + VIEWS_OF_PRODUCT


def parsed_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def snake_case(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def without_money(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "revenue"}


async def test_each_event_is_found_by_its_clients_id(visit: Visit) -> None:
    """A v4 id was kept beside ours, a v7 is the event's own; both lead to what was sent."""
    random_id, timed_id = visit.ids
    by_random = await visit.views.read(f"events/{random_id}")
    by_timed = await visit.views.read(f"events/{timed_id}")

    assert (by_random["state"], by_timed["state"]) == ("STORED", "STORED")
    assert by_random["event"]["clientId"] == random_id
    assert by_timed["event"]["eventId"] == timed_id
    assert by_timed["event"]["type"] == "add_to_cart"
    for found in (by_random["event"], by_timed["event"]):
        assert found["sessionId"] == f"{visit.browser.mark}-s1"
        assert found["userId"] == f"{visit.browser.mark}-ann"
        assert found["source"] == visit.browser.mark
    minted = await visit.views.read(f"events/{by_random['event']['eventId']}")
    assert minted["event"] == by_random["event"]


async def test_a_service_gets_what_a_browser_gets(shop: Shop) -> None:
    """The same events by gRPC: the same verdicts, and rows that differ in ids and times of receipt."""
    random_id, at = uuid.uuid4(), datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    metadata = {"amount": 1250, "currency": "EUR", "gift": True, "lines": [{"sku": "A", "n": 2}]}
    good = shop.browser.event(
        "purchase", "s1", userId="u", referrer="https://www.google.com/", metadata=metadata
    )
    wrong = shop.browser.event("purchase", "s" * 128)
    over_http = [good | {"timestamp": at.isoformat()}, wrong, good | {"type": "nonsense"}]
    answer = await shop.browser.send(
        [*over_http, good | {"id": str(random_id)}, good | {"id": str(random_id)}]
    )

    async with millrace.connect(shop.stack["grpc_target"], token=shop.stack["service_token"]) as client:
        other_id = str(uuid.uuid4())
        requests = [tracked(each, at) for each in over_http]
        requests += [tracked(good | {"id": other_id}, None)] * 2
        reply = await client.analytics.TrackEvents(analytics.TrackEventsRequest(events=requests))

    rejected = [
        {"index": index, "field": each.field, "reason": each.reason}
        for index, each in enumerate(reply.results)
        if each.outcome == event_pb2.TrackedEventResult.REJECTED
    ]
    # The field's name is that of the door: `sessionId` there, `session_id` here.
    assert [spelled(each) for each in rejected] == [spelled(each) for each in answer["rejected"]]
    assert (reply.accepted, reply.duplicates) == (answer["accepted"], answer["duplicates"]) == (2, 1)
    await shop.views.until_drained()
    rows = await shop.postgres.fetch(
        "SELECT type, session_id, user_id, product_id, url, referrer, metadata, source, is_human, country"
        " FROM events WHERE product_id = $1",
        shop.mark,
    )
    assert len(rows) == 4
    assert len({tuple(row.values()) for row in rows}) == 1
    assert json.loads(rows[0]["metadata"]) == metadata
    assert reply.results[3].event_id == other_id


def spelled(rejection: dict[str, Any]) -> dict[str, Any]:
    return rejection | {"field": rejection["field"].replace("_", "").lower()}


def tracked(event: Event, at: datetime | None) -> event_pb2.TrackedEvent:
    """The event as a service sends it, from a desktop."""
    made = event_pb2.TrackedEvent(
        type=event["type"],
        id=event.get("id", ""),
        session_id=event["sessionId"],
        user_id=event.get("userId", ""),
        product_id=event["productId"],
        url=event["url"],
        referrer=event.get("referrer", ""),
        device="desktop",
    )
    if "metadata" in event:
        metadata = Struct()
        metadata.update(event["metadata"])
        made.metadata.CopyFrom(metadata)
    if at is not None:
        made.timestamp.FromDatetime(at)
    return made
