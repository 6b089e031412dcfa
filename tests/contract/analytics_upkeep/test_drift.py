"""The proof finds each kind of difference where it is, and nothing where there is none."""

from __future__ import annotations

import datetime

import asyncpg
import pytest

from millrace.streams.live import HUMAN_CLICK, read_live, restate
from server.analytics.closing import close_days
from server.analytics.differences import Difference, Proof
from server.analytics.drift_counts import compare_clicks, compare_events
from server.analytics.utc_days import day_of
from tests.contract.analytics_upkeep.conftest import Ground
from tests.contract.analytics_upkeep.shop import (
    DAY_MS,
    HOUR_MS,
    event,
    some_clicks,
    some_events,
    this_hour_ms,
    today,
    write,
)


@pytest.fixture
async def shop(ground: Ground) -> Ground:
    """Twelve days of a shop, closed, with live counters that agree."""
    first_ms = (today() - 12) * DAY_MS
    length_ms = this_hour_ms() - first_ms
    await write(
        ground.dsn,
        list(some_events(1500, first_ms, length_ms)),
        list(some_clicks(400, first_ms, length_ms)),
    )
    await close_days(ground.postgres, today() - 12, today())
    await ground.make_live_agree()
    return ground


async def test_nothing_differs_in_a_sound_shop(shop: Ground) -> None:
    """Every raw row is compared, over every day, with two days of live counters."""
    proof = (await shop.prove()).proof
    assert proof.differences == [], "\n".join(map(str, proof.differences))
    assert proof.rows == 1900
    assert proof.live_hours == 47
    assert proof.counts > 10_000


PLANTED = {
    "a type's count": (
        "UPDATE event_type_rollups SET human_events = human_events + 3 WHERE (bucket_start, type) = "
        "(SELECT bucket_start, type FROM event_type_rollups WHERE span_minutes = 15 AND bucket_start > $1 "
        "ORDER BY 1, 2 LIMIT 1) AND span_minutes = 15",
        ("event_type_rollups", "human_events"),
    ),
    "a source's page views": (
        "UPDATE event_source_rollups SET page_views = page_views + 1 WHERE ctid = (SELECT ctid FROM "
        "event_source_rollups WHERE span_minutes = 15 AND bucket_start > $1 ORDER BY 1 LIMIT 1)",
        ("event_source_rollups", "page_views"),
    ),
    "a device's bots": (
        "UPDATE event_device_rollups SET bot_events = bot_events + 1 WHERE ctid = (SELECT ctid FROM "
        "event_device_rollups WHERE span_minutes = 15 AND bucket_start > $1 ORDER BY 1 LIMIT 1)",
        ("event_device_rollups", "bot_events"),
    ),
    "a country that nobody came from": (
        "INSERT INTO event_country_rollups (span_minutes, bucket_start, country, human_events) "
        "VALUES (15, $1::timestamptz + interval '15 minutes', 'XX', 5)",
        ("event_country_rollups", "human_events"),
    ),
    "a product's views": (
        "UPDATE product_rollups SET views = views + 1 WHERE ctid = (SELECT ctid FROM product_rollups "
        "WHERE span_minutes = 15 AND bucket_start > $1 ORDER BY 1 LIMIT 1)",
        ("product_rollups", "views"),
    ),
    "a product's clicks": (
        "UPDATE product_rollups SET human_clicks = human_clicks + 1 WHERE ctid = (SELECT ctid FROM "
        "product_rollups WHERE span_minutes = 15 AND bucket_start > $1 ORDER BY 1 LIMIT 1)",
        ("product_rollups", "human_clicks"),
    ),
    "a link's clicks": (
        "UPDATE link_click_rollups SET unique_clicks = unique_clicks + 1 WHERE ctid = (SELECT ctid FROM "
        "link_click_rollups WHERE bucket_start > $1 ORDER BY 1 LIMIT 1)",
        ("link_click_rollups", "unique_clicks"),
    ),
    "all clicks": (
        "UPDATE click_rollups SET bot_clicks = bot_clicks + 1 WHERE ctid = (SELECT ctid FROM "
        "click_rollups WHERE span_minutes = 15 AND bucket_start > $1 ORDER BY 1 LIMIT 1)",
        ("click_rollups", "bot_clicks"),
    ),
    "a sketch without its visitors": (
        "UPDATE event_visitor_rollups SET visitors = NULL WHERE ctid = (SELECT ctid FROM "
        "event_visitor_rollups WHERE span_minutes = 15 AND bucket_start > $1 AND visitors IS NOT NULL "
        "ORDER BY 1 LIMIT 1)",
        ("event_visitor_rollups", "visitors"),
    ),
    "a session that is missing": (
        "DELETE FROM event_sessions WHERE session_id = (SELECT session_id FROM event_sessions "
        "WHERE started_at > $1 AND started_at < $1::timestamptz + interval '1 day' LIMIT 1)",
        ("event_sessions", "sessions"),
    ),
    "a session that never was": (
        "INSERT INTO event_sessions (session_id, started_at, last_event_at) "
        "VALUES ('nobody', $1::timestamptz, $1::timestamptz)",
        ("event_sessions", "starts without event"),
    ),
    "a purchase that nobody made": (
        "UPDATE event_sessions SET last_purchase_at = last_event_at WHERE session_id = (SELECT session_id "
        "FROM event_sessions WHERE started_at > $1 AND last_event_at < $1::timestamptz + interval '1 day' "
        "AND last_purchase_at IS NULL LIMIT 1)",
        ("event_sessions", "times too wide"),
    ),
    "a raw row that is gone": (
        "DELETE FROM clicks WHERE click_id = (SELECT click_id FROM clicks WHERE clicked_at > $1 "
        "AND NOT is_human LIMIT 1)",
        ("click_rollups", "bot_clicks"),
    ),
}


async def test_planted_differences_are_found(shop: Ground) -> None:
    """Each is told with its table and column, one by one, and nothing is told beside it."""
    await shop.postgres.execute("DELETE FROM rollup_closings")
    start = await shop.postgres.fetchval("SELECT date_trunc('day', now(), 'UTC') - interval '5 days'")
    for kind, (statement, (place, what)) in PLANTED.items():
        planting = shop.postgres.transaction()
        await planting.start()
        assert not (await shop.postgres.execute(statement, start)).endswith(" 0"), kind
        found = {(each.place, each.what) for each in await differing_on(shop.postgres, start)}
        await planting.rollback()
        also = {("link_click_rollups", "bot_clicks")} if kind == "a raw row that is gone" else set()
        assert found == {(place, what)} | also, kind


async def differing_on(postgres: asyncpg.Connection, start: datetime.datetime) -> list[Difference]:
    """What differs on that day and the next, within the transaction at hand."""
    proof = Proof()
    for day in (day_of(start), day_of(start) + 1):
        await compare_events(postgres, day, proof)
        await compare_clicks(postgres, day, proof)
    return proof.differences


SPANS = {
    "UPDATE event_type_rollups SET bot_events = bot_events + 1 WHERE ctid = (SELECT ctid FROM "
    "event_type_rollups WHERE span_minutes = 1440 LIMIT 1)": ("event_type_rollups (day)", "bot_events"),
    "DELETE FROM product_rollups WHERE span_minutes = 10080 AND product_id = 'lamp'": (
        "product_rollups (week)",
        "views",
    ),
    "UPDATE event_visitor_rollups SET sessions = NULL WHERE ctid = (SELECT ctid FROM event_visitor_rollups "
    "WHERE span_minutes = 60 AND sessions IS NOT NULL LIMIT 1)": ("event_visitor_rollups (hour)", "sessions"),
}


async def test_differences_of_longer_spans_and_live_counters_are_found(shop: Ground) -> None:
    """Hours, days, weeks and the counters of Redis are compared by the same command, and told apart."""
    for statement in SPANS:
        assert not (await shop.postgres.execute(statement)).endswith(" 0")
    hour = this_hour_ms() // HOUR_MS - 3
    before = (await read_live(shop.redis, shop.keys, [hour]))[hour]
    await restate(shop.redis, shop.keys, hour, 1, {7: {HUMAN_CLICK: 2, "v": 1}})
    found = {(place, what): (expected, seen) for place, _, what, expected, seen in await shop.differing()}
    assert set(found) >= set(SPANS.values())
    assert {place for place, _ in found} == {
        *(place for place, _ in SPANS.values()),
        "live clicks",
        "live events",
    }
    clicks, views = before.total(HUMAN_CLICK), before.total("v")
    assert found["live clicks", "human clicks"] == (clicks, clicks + 2)
    assert found["live events", "product_view"] == (views, views + 1)


async def test_replays_explain_what_live_lacks(shop: Ground) -> None:
    """Records from a spool are not counted live: as many may be missing, and the hour is to be restated."""
    hour = this_hour_ms() // HOUR_MS - 4
    await write(shop.dsn, [event(hour * HOUR_MS + n) for n in range(5)])
    key = shop.keys.events_live(0, hour)
    await shop.redis.execute("HINCRBY", key, "r", 4)
    assert [each[0] for each in await shop.differing()] == ["live events"]
    await shop.redis.execute("HINCRBY", key, "r", 1)
    outcome = await shop.prove()
    assert outcome.proof.differences == []
    assert outcome.to_restate == {hour}


async def test_days_taken_by_retention_are_left_out(shop: Ground) -> None:
    """Where raw rows may be gone nothing is compared, and the note says so."""
    await shop.postgres.execute(
        "INSERT INTO event_type_rollups (span_minutes, bucket_start, type, human_events) "
        "VALUES (15, now() - interval '200 days', 'click', 1)"
    )
    proof = (await shop.prove()).proof
    assert proof.differences == []
    assert any("days of events were left out" in note for note in proof.notes)
