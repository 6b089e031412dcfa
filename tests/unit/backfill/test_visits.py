"""The invented visits: the same each time, of their day, and believable as a whole."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import msgspec
import pytest

from millrace.streams.event_records import EVENT_TYPES, StreamEvent
from millrace.streams.ids import id_time_ms
from millrace.streams.records import Click
from workers.backfill.chance import DAY_MS
from workers.backfill.entrances import PARTNER_QUERY
from workers.backfill.shop import Shop, SoldProduct
from workers.backfill.traffic import PromotedLink, clicks_of_day
from workers.backfill.visits import visits_of_day

DAY = 20_780
LINK = PromotedLink(bytes(range(16)), bytes(16), "p-03")
FRONT_PAGE_LINK = PromotedLink(bytes(range(16, 32)), bytes(16), None)
SHOP = Shop(
    [
        SoldProduct(f"p-{n:02d}", f"https://shop.example/products/p-{n}", 1_000 * n, "EUR", 13.0 - n)
        for n in range(1, 13)
    ]
)


def clicks(day: int) -> list[Click]:
    return [click for link in (LINK, FRONT_PAGE_LINK) for click in clicks_of_day(link, day, mean_clicks=40)]


@pytest.fixture(scope="module")
def week() -> list[StreamEvent]:
    return [
        event
        for day in range(DAY, DAY + 7)
        for event in visits_of_day(SHOP, day, clicks(day), mean_visits=150)
    ]


@pytest.fixture(scope="module")
def people(week: list[StreamEvent]) -> dict[str, list[StreamEvent]]:
    """The events of each human session, in order."""
    sessions = defaultdict(list)
    for event in week:
        if event.human:
            sessions[event.session_id].append(event)
    return dict(sessions)


def metadata(event: StreamEvent) -> dict[str, Any]:
    read: dict[str, Any] = msgspec.json.decode(event.metadata or b"{}")
    return read


def test_the_same_events_every_time() -> None:
    """The same day gives the same events, ids included; another day gives others."""
    made = visits_of_day(SHOP, DAY, clicks(DAY), mean_visits=60)
    assert made == visits_of_day(SHOP, DAY, clicks(DAY), mean_visits=60)
    other = visits_of_day(SHOP, DAY + 1, clicks(DAY + 1), mean_visits=60)
    assert not {event.event_id for event in made} & {event.event_id for event in other}


def test_of_their_day_and_in_order() -> None:
    """Every event lies in its day and carries its time in its id, which comes but once."""
    made = visits_of_day(SHOP, DAY, clicks(DAY), mean_visits=300)
    assert all(event.occurred_ms // DAY_MS == DAY for event in made)
    assert all(id_time_ms(event.event_id) == event.occurred_ms for event in made)
    ids = [event.event_id for event in made]
    assert ids == sorted(set(ids))


def test_the_funnel_shrinks(people: dict[str, list[StreamEvent]]) -> None:
    """Fewer sessions see a product than there are, fewer fill a cart, fewer still order."""
    having = {
        kind: sum(any(event.type == kind for event in events) for events in people.values())
        for kind in EVENT_TYPES
    }
    assert len(people) > having["product_view"] > 3 * having["add_to_cart"]
    assert having["add_to_cart"] > 1.5 * having["purchase"] > 20
    assert having["search"] == 0  # the search service writes those


def test_nothing_is_bought_that_was_not_in_the_cart(people: dict[str, list[StreamEvent]]) -> None:
    """Look, cart and order follow each other for every product that is bought."""
    bought = 0
    for events in people.values():
        seen: dict[str, set[str | None]] = defaultdict(set)
        for event in events:
            seen[event.type].add(event.product_id)
            if event.type == "purchase":
                bought += 1
                assert event.product_id in seen["add_to_cart"] & seen["product_view"]
    assert bought > 20


def test_orders_say_what_they_cost(week: list[StreamEvent]) -> None:
    """Amount, currency, order and quantity agree with the product's price."""
    for event in week:
        if event.type == "purchase":
            order, product = metadata(event), SHOP.product(event.product_id)
            assert product is not None
            assert order["amount"] == product.price * order["quantity"]
            assert order["currency"] == "EUR"
            assert order["orderId"]


def test_bots_only_look(week: list[StreamEvent]) -> None:
    """Some events are bots', which open pages and nothing more."""
    bots = [event for event in week if not event.human]
    assert 0.02 < len(bots) / len(week) < 0.15
    assert {(event.type, event.device) for event in bots} == {("page_view", "bot")}


def test_people_differ(people: dict[str, list[StreamEvent]]) -> None:
    """Most are on a phone, many countries, some logged in; some customers come again."""
    firsts = [events[0] for events in people.values()]
    devices = Counter(event.device for event in firsts)
    assert devices["mobile"] > devices["desktop"] > devices["tablet"]
    assert len({event.country for event in firsts}) >= 6
    users = [event.user_id for event in firsts if event.user_id]
    assert 0.12 < len(users) / len(firsts) < 0.28
    assert len(set(users)) < len(users)


def test_popular_products_are_looked_at_more(week: list[StreamEvent]) -> None:
    """The most popular product is seen far more often than the least popular one, which is seen too."""
    views = Counter(event.product_id for event in week if event.type == "product_view")
    assert views["p-01"] > 3 * views["p-12"] > 0


def test_a_click_on_a_link_leads_into_the_shop() -> None:
    """Most people who clicked arrive within seconds, on the link's product, with the click's device."""
    made = [click for click in clicks(DAY) if click.human]
    visits = {
        (event.occurred_ms, event.device, event.country): event
        for event in visits_of_day(SHOP, DAY, made, mean_visits=0)
        if event.type == "page_view"
    }
    arrived = 0
    for click in made:
        for (at_ms, device, country), event in visits.items():
            if 0 < at_ms - click.at_ms < 3_000 and (device, country) == (click.device, click.country):
                arrived += 1
                assert event.url is not None
                assert "p-3" in event.url or event.url.endswith(PARTNER_QUERY)
                break
    assert 0.7 < arrived / len(made) <= 1


def test_midnight_ends_every_visit() -> None:
    """Who comes a few seconds before midnight leaves nothing on the next day, which is invented apart."""
    late_ms = (DAY + 1) * DAY_MS - 6_000
    late = [msgspec.structs.replace(click, at_ms=late_ms) for click in clicks(DAY)]
    made = visits_of_day(SHOP, DAY, late, mean_visits=0)
    assert made
    assert {event.occurred_ms // DAY_MS for event in made} == {DAY}


def test_a_shop_needs_products() -> None:
    """Without any product there is nothing to invent, and that is said."""
    with pytest.raises(ValueError, match="without products"):
        Shop([])
