"""The dashboard, product figures and the funnel over rollups that the drain's own counting wrote."""

import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from millrace.analytics.v1 import analytics_service_pb2 as rpc
from millrace.analytics.v1.dashboard_pb2 import Dashboard
from millrace.streams.keys import RECORD_FIELD
from server.analytics.counting import CountedClick, CountedEvent
from server.analytics.event_columns import VISITOR_ROLLUPS
from server.analytics.local_days import keep_local_days
from server.analytics.ranges import Period
from server.analytics.repository import reading
from server.analytics.sketches import SHOP_LG_K, merged
from server.analytics.top_products import TopProducts
from server.errors import InvalidArgument
from tests.contract.analytics.analysts import Analysts, at, event

# Around Berlin's change of clocks, and over with all their weeks.
FIRST, LAST = date(2026, 10, 19), date(2026, 11, 1)


def some_events(count: int, first: str, days: int, *, seed: int = 7) -> list[CountedEvent]:
    """People and bots, spread over the days."""
    chance = random.Random(seed)  # noqa: S311 - believable, not secret
    start = at(first)
    return [
        event(
            start + chance.randrange(days * 86_400_000),
            f"s-{chance.randrange(count // 3)}",
            type=chance.choice(["page_view", "page_view", "product_view", "add_to_cart", "purchase"]),
            human=chance.random() < 0.9,
            user_id=f"u-{chance.randrange(50)}" if chance.random() < 0.3 else None,
            product_id=chance.choice([None, "lamp", "chair"]),
        )
        for _ in range(count)
    ]


async def ask(analysts: Analysts, start: str, end: str, zone: str = "UTC", interval: str = "") -> Dashboard:
    answer = await analysts.call(
        rpc.GetDashboardRequest(start=start, end=end, timezone=zone, interval=interval)
    )
    assert isinstance(answer, Dashboard)
    return answer


def figures(dashboard: Dashboard) -> tuple[int, int, int]:
    overview = dashboard.overview
    return overview.page_views, overview.unique_visitors, overview.sessions


async def test_an_empty_shop_has_zeros(analysts: Analysts) -> None:
    """No division by zero, no gap in the series; Redis holds nothing back, so the answer is complete."""
    answer = await ask(analysts, "", "", zone="")
    assert figures(answer) == (0, 0, 0)
    assert answer.overview.conversion_rate == 0.0
    assert not answer.top_products
    assert len(answer.series) in (30, 31)
    assert (answer.complete, answer.lag_seconds < 5) == (True, True)
    assert answer.timezone == "Europe/Berlin"


async def test_people_are_counted_and_bots_apart(analysts: Analysts) -> None:
    """By visitor: the user where known, else the session; sessions by themselves."""
    await analysts.count(
        [
            event("2026-10-20T10:00", "s-1", user_id="anna"),
            event("2026-10-20T11:00", "s-2", user_id="anna", source="search", country="AT"),
            event("2026-10-20T12:00", "s-3", device="desktop"),
            event("2026-10-20T12:00", "s-3", type="search", device="desktop"),
            event("2026-10-20T13:00", "s-4", human=False, device="bot"),
        ],
        [
            CountedClick(at("2026-10-20T10:00"), human=True, unique=True, product_id="lamp"),
            CountedClick(at("2026-10-20T10:01"), human=True, unique=False, product_id=None),
            CountedClick(at("2026-10-20T10:02"), human=False, unique=False, product_id=None),
        ],
    )
    answer = await ask(analysts, "2026-10-20", "2026-10-21")
    overview = answer.overview
    assert figures(answer) == (3, 2, 3)
    assert (overview.clicks, overview.unique_clicks, overview.bot_clicks, overview.bot_events) == (2, 1, 1, 1)
    shown = [
        (each.name, each.page_views, each.events, each.unique_visitors) for each in answer.traffic_sources
    ]
    assert shown == [("direct", 2, 3, 2), ("search", 1, 1, 1)]
    assert [(each.name, each.events) for each in answer.devices] == [("mobile", 2), ("desktop", 2)]
    assert [(each.name, each.page_views) for each in answer.countries] == [("DE", 2), ("AT", 1)]


async def test_the_start_counts_and_the_end_does_not(analysts: Analysts) -> None:
    """Rounded outward to quarter hours, and told."""
    await analysts.count(
        [event(f"2026-10-20T10:{minute}") for minute in ("14", "15", "29", "30", "44", "45")]
    )
    answer = await ask(analysts, "2026-10-20T10:16:00Z", "2026-10-20T10:31:00Z")
    assert answer.overview.page_views == 4
    assert answer.start.ToDatetime() == datetime(2026, 10, 20, 10, 15)
    assert answer.end.ToDatetime() == datetime(2026, 10, 20, 10, 45)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kathmandu", "Pacific/Apia", "UTC"])
async def test_hours_and_days_add_up_whether_closed_or_not(analysts: Analysts, zone: str) -> None:
    """Counts add up; visitors are the same however the range is cut, and whichever spans are read."""
    await analysts.count(some_events(800, "2026-10-18T00:00", 12))
    before = await ask(analysts, "2026-10-19", "2026-10-28", zone, "day")
    assert await analysts.close(FIRST, LAST) > 8
    by_day = await ask(analysts, "2026-10-19", "2026-10-28", zone, "day")
    by_hour = await ask(analysts, "2026-10-19", "2026-10-28", zone, "hour")
    assert (by_day.overview, list(by_day.series)) == (before.overview, list(before.series))
    assert len(by_day.series) == 9
    assert by_day.overview == by_hour.overview
    assert by_day.overview.page_views == sum(point.figures.page_views for point in by_hour.series) > 200
    for day in by_day.series:
        hours = [
            point for point in by_hour.series if day.start.seconds <= point.start.seconds < day.end.seconds
        ]
        assert sum(point.figures.page_views for point in hours) == day.figures.page_views


async def test_days_of_the_shops_zone_count_as_they_are_kept_while_they_hold(analysts: Analysts) -> None:
    """That is until a late event reopens one of its UTC days; other days go on as they are kept."""
    await analysts.count([event(f"2026-10-{day}T10:00", f"s-{day}") for day in (20, 21, 22, 23)])
    await analysts.close(FIRST, LAST)
    await keep_local_days(analysts.postgres, ZoneInfo("Europe/Berlin"))
    await analysts.postgres.execute("UPDATE event_local_days SET visitors = NULL")
    asked = (analysts, "2026-10-21", "2026-10-23", "Europe/Berlin", "day")
    assert [point.figures.unique_visitors for point in (await ask(*asked)).series] == [0, 0]
    await analysts.count([event("2026-10-22T10:00", "late")])
    await analysts.close(FIRST, LAST)
    assert [point.figures.unique_visitors for point in (await ask(*asked)).series] == [0, 2]


async def test_visitors_are_merged_and_not_summed(analysts: Analysts) -> None:
    """One who comes on three days is one; fewer than a thousand are counted exactly."""
    days = ("2026-10-20", "2026-10-21", "2026-10-22")
    await analysts.count(event(f"{day}T10:00", f"s-{number}") for day in days for number in range(900))
    await analysts.count([event("2026-10-22T20:00", f"t-{number}") for number in range(99)])
    answer = await ask(analysts, "2026-10-20", "2026-10-23", interval="day")
    assert [point.figures.unique_visitors for point in answer.series] == [900, 900, 999]
    assert answer.overview.unique_visitors == answer.overview.sessions == 999


async def test_a_hundred_thousand_visitors_are_known_within_two_percent(analysts: Analysts) -> None:
    """Over several days, merged."""
    rows = [
        (
            15,
            datetime(2026, 10, 20 + part, 10, tzinfo=UTC),
            merged(SHOP_LG_K, [], (f"u:{number}" for number in range(part * 30_000, part * 30_000 + 40_000))),
            None,
        )
        for part in range(3)
    ]
    columns = ("span_minutes", "bucket_start", *VISITOR_ROLLUPS.sketches)
    await analysts.postgres.copy_records_to_table(VISITOR_ROLLUPS.name, columns=columns, records=rows)
    answer = await ask(analysts, "2026-10-20", "2026-10-23")
    assert answer.overview.unique_visitors == pytest.approx(100_000, rel=0.02)


async def test_a_late_event_opens_its_day_again(analysts: Analysts) -> None:
    """Its day and its week are read by the quarter hour until they are closed anew."""
    await analysts.count([event("2026-10-20T10:00", "s-1", product_id="lamp", type="product_view")])
    assert await analysts.close(FIRST, LAST) == 1
    await analysts.count([event("2026-10-20T10:00", "s-2", product_id="lamp", type="product_view")])
    answer = await ask(analysts, "2026-10-19", "2026-10-27")
    assert (answer.overview.sessions, answer.top_products[0].views) == (2, 2)


async def test_the_period_before_is_as_long(analysts: Analysts) -> None:
    """By the calendar, over a change of clocks."""
    await analysts.count([event(f"2026-10-{day}T22:30") for day in (17, 18, 24, 25)])
    answer = await ask(analysts, "2026-10-26", "2026-11-02", "Europe/Berlin")
    # Midnight in Berlin: 22:00 UTC before the change, 23:00 after it.
    assert answer.previous.start.ToDatetime() == datetime(2026, 10, 18, 22)
    assert (answer.overview.page_views, answer.previous.overview.page_views) == (0, 3)


async def test_top_products_are_the_ten_viewed_most(analysts: Analysts) -> None:
    """Ties by id; with clicks, carts, purchases and what they sold for."""
    views = [
        event("2026-10-20T10:00", type="product_view", product_id=f"p-{number:02}")
        for number in range(12)
        for _ in range(2 if number > 1 else 3)
    ]
    others = [event("2026-10-20T10:00", type=kind, product_id="p-01") for kind in ("add_to_cart", "purchase")]
    click = CountedClick(at("2026-10-20T10:00"), human=True, unique=True, product_id="p-01")
    await analysts.count(views + others, [click])
    await analysts.sell(
        ("2026-10-20T10:00", "CONFIRMED", "p-01", "EUR", 4_999, 500),
        ("2026-10-20T10:00", "PENDING", "p-01", "EUR", 1_000, 100),
        ("2026-10-25T10:00", "CONFIRMED", "p-01", "EUR", 1_000, 100),
    )
    shown = (await ask(analysts, "2026-10-20", "2026-10-21")).top_products
    assert [each.product_id for each in shown] == [f"p-{number:02}" for number in range(10)]
    second = shown[1]
    assert (second.views, second.clicks, second.add_to_cart, second.purchases) == (3, 1, 1, 1)
    assert [(each.currency, each.amount) for each in second.revenue] == [("EUR", 4_999)]


async def test_conversions_come_from_the_view(analysts: Analysts) -> None:
    """Confirmed and paid ones by currency, pending ones apart; by interval, and for one product."""
    await analysts.count(
        [event("2026-10-20T10:00", type="product_view", product_id="lamp")],
        [CountedClick(at("2026-10-20T10:00"), human=True, unique=True, product_id="lamp") for _ in range(8)],
    )
    await analysts.sell(
        ("2026-10-20T10:00", "CONFIRMED", "lamp", "EUR", 1_001, 100),
        ("2026-10-21T10:00", "PAID", "lamp", "EUR", 1_000, 100),
        ("2026-10-21T10:00", "PAID", None, "JPY", 900, 90),
        ("2026-10-21T10:00", "PENDING", "lamp", "EUR", 7_000, 700),
        ("2026-10-21T10:00", "REVERSED", "lamp", "EUR", 7_000, 700),
    )
    answer = await ask(analysts, "2026-10-20", "2026-10-22", interval="day")
    overview = answer.overview
    assert (overview.conversions, overview.pending_conversions, overview.conversion_rate) == (3, 1, 37.5)
    assert {each.currency: each.amount for each in overview.revenue} == {"EUR": 2_001, "JPY": 900}
    assert {each.currency: each.amount for each in overview.average_order_value} == {"EUR": 1_000, "JPY": 900}
    assert [point.figures.conversions for point in answer.series] == [1, 2]
    product = await analysts.call(
        rpc.GetProductStatisticsRequest(
            product_id="lamp", start="2026-10-20", end="2026-10-22", timezone="UTC", interval="day"
        )
    )
    assert (product.conversions, product.pending_conversions) == (2, 1)
    assert (product.views, product.clicks, product.ctr) == (1, 8, 800.0)
    assert [point.figures.unique_clicks for point in product.series] == [8, 0]


async def test_a_products_figures_are_the_same_from_every_span(analysts: Analysts) -> None:
    """From quarter hours, and from days once they are closed."""
    await analysts.count(some_events(400, "2026-10-19T00:00", 8))
    request = rpc.GetProductStatisticsRequest(
        product_id="lamp", start="2026-10-19", end="2026-10-28", interval="week"
    )
    before = await analysts.call(request)
    await analysts.close(FIRST, LAST)
    after = await analysts.call(request)
    assert (after.series, after.views) == (before.series, before.views)
    assert after.views == sum(point.figures.views for point in after.series) > 20


async def test_the_funnel_counts_sessions_in_their_order(analysts: Analysts) -> None:
    """A cart before the first view is none; a session belongs to the range in which it began."""

    def visit(session: str, *steps: str) -> Sequence[CountedEvent]:
        return [event(f"2026-10-20T10:0{minute}", session, type=step) for minute, step in enumerate(steps)]

    await analysts.count(
        [
            *visit("only looks", "product_view"),
            *visit("fills the cart", "product_view", "add_to_cart"),
            *visit("buys", "product_view", "add_to_cart", "purchase"),
            *visit("cart first", "add_to_cart", "product_view", "purchase"),
            *visit("buys without a cart", "product_view", "purchase"),
            *visit("never looks", "page_view"),
            event("2026-10-21T10:00", "another day", type="product_view"),
        ]
    )
    answer = await analysts.call(rpc.GetFunnelRequest(start="2026-10-20", end="2026-10-21", timezone="UTC"))
    shown = [(step.name, step.sessions) for step in answer.steps]
    assert shown == [("product_view", 5), ("add_to_cart", 2), ("purchase", 1)]
    assert [step.percent_of_first for step in answer.steps] == [100.0, 40.0, 20.0]


async def test_what_waits_makes_the_answer_incomplete(analysts: Analysts) -> None:
    """As of the oldest record that no drain has stored, of either stream."""
    await analysts.redis.execute("XADD", analysts.keys.events(1), "5000-1", RECORD_FIELD, b"later")
    answer = await ask(analysts, "", "")
    assert (answer.complete, answer.as_of.ToMilliseconds()) == (False, 5_000)
    assert answer.lag_seconds > 1_000_000
    past = await ask(analysts, "1970-01-02", "1970-01-03")
    assert not past.complete


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"start": "soon"}, "start"),
        ({"end": "2026-10-32"}, "end"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"start": "2026-01-01", "end": "2026-10-01", "interval": "hour"}, "interval"),
        ({"interval": "fortnight"}, "interval"),
    ],
)
async def test_a_bad_range_is_refused_by_its_field(analysts: Analysts, given: Any, field: str) -> None:
    """Whichever of the four it is, and whoever finds it."""
    with pytest.raises(InvalidArgument) as refused:
        await analysts.call(rpc.GetDashboardRequest(**given))
    assert [each.field for each in refused.value.fields] == [field]


async def test_raw_events_are_not_read(analysts: Analysts) -> None:
    """The answer does not change, nor fail, when there are none to read."""
    await analysts.count([event("2026-10-20T10:00")])
    await analysts.postgres.execute("ALTER TABLE events RENAME TO elsewhere")
    try:
        assert figures(await ask(analysts, "2026-10-20", "2026-10-21")) == (1, 1, 1)
    except asyncpg.UndefinedTableError:  # pragma: no cover - the failure in words
        pytest.fail("raw events were asked for")


async def test_tables_come_as_csv(analysts: Analysts) -> None:
    """Every table, with a header row, and texts that no spreadsheet runs."""
    await analysts.count(
        [
            event("2026-10-20T10:00", source="=cmd()"),
            event("2026-10-20T10:00", type="product_view", product_id="-1"),
        ]
    )
    asked = {"start": "2026-10-20", "end": "2026-10-21", "timezone": "UTC"}
    tables = {
        table: (await analysts.call(rpc.ExportDashboardRequest(**asked, table=table)))
        .data.decode()
        .split("\r\n")
        for table in ("", "overview", "topProducts", "trafficSources", "devices", "countries")
    }
    assert [len(rows) for rows in tables.values()] == [26, 4, 3, 4, 3, 3]
    assert tables["trafficSources"][1] == "'=cmd(),1,1,1"
    assert tables["topProducts"][1].startswith("'-1,1,0,0,0,")
    assert tables[""][11].startswith("2026-10-20T10:00:00Z,2026-10-20T11:00:00Z,1,1,1,0,0,0,0,0.0,,")
    funnel = await analysts.call(rpc.ExportFunnelRequest(**asked))
    assert funnel.data.decode().split("\r\n")[1] == "product_view,1,100.0,100.0"
    product = await analysts.call(rpc.ExportProductRequest(product_id="-1", interval="day", **asked))
    assert product.data.decode().split("\r\n")[1].startswith("2026-10-20T00:00:00Z,2026-10-21T00:00:00Z,1,0,")
    assert product.content_type == "text/csv; charset=utf-8"


@pytest.mark.parametrize("deep", [1, 3, 12, 100])
async def test_the_running_day_can_change_who_leads(analysts: Analysts, deep: int) -> None:
    """However many leaders of each day are looked at, the ten are those of the whole range."""
    leading = TopProducts(deep)
    closed = [
        event(f"2026-10-2{day}T10:00", type="product_view", product_id=f"p-{number:02}")
        for day in (0, 1)
        for number in range(30)
        for _ in range(40 - number)
    ]
    await analysts.count(closed)
    await analysts.close(FIRST, LAST)
    period = Period(datetime(2026, 10, 20, tzinfo=UTC), datetime(2026, 10, 23, tzinfo=UTC))
    for lifted, views in (("p-05", 3), ("p-11", 7), ("p-29", 90), ("new", 100)):
        views_of_it = [event("2026-10-22T10:00", type="product_view", product_id=lifted)] * views
        await analysts.count(views_of_it)
        closed += views_of_it
        expected = Counter(each.product_id for each in closed)
        ranked = sorted(expected.items(), key=lambda each: (-each[1], str(each[0])))[:10]
        async with reading(analysts.sessions) as rollups:
            closings = await rollups.closings(period.start, period.end)
            found = await leading.read(rollups, closings, period)
        assert [(each.product_id, each.counts.views) for each in found] == ranked
