"""Events from their stream: each a row once, whatever is delivered again, and counted as it went in."""

from __future__ import annotations

import asyncio
import random

import asyncpg
import msgspec
from redis.asyncio import Redis

from millrace.streams.event_records import StreamEvent
from millrace.streams.ids import id_bytes_at
from server.analytics.sketches import DIMENSION_LG_K, SHOP_LG_K, distinct
from tests.contract.drain.believable import append, assert_each_once, clicks, until_empty
from tests.contract.drain.believable_events import (
    DAY_MS,
    append_events,
    assert_counted,
    assert_events_once,
    events,
    with_client_ids,
)
from tests.contract.drain.drains import RunningDrain
from workers.drain.event_kind import EventKind
from workers.drain.writer import RowWriter, Written


async def drained(running_drain: RunningDrain, redis: Redis, key: bytes, *parts: list[StreamEvent]) -> None:
    """Bring the parts into PostgreSQL one after the other."""
    async with running_drain():
        for part in parts:
            await append_events(redis, key, part)
            await until_empty(redis, key)


async def test_stream_replayed_in_another_order(
    running_drain: RunningDrain, redis: Redis, event_key: bytes, postgres: asyncpg.Connection
) -> None:
    """A stream that comes three times in all counts once, with minted, given and foreign ids alike."""
    plain = events(2_000)
    made = [*plain[:1_500], *with_client_ids(plain[1_500:])]
    await drained(running_drain, redis, event_key, made, made, random.sample(made, len(made)))
    await assert_events_once(postgres, made)


async def test_known_and_new_in_one_batch(
    running_drain: RunningDrain, redis: Redis, event_key: bytes, postgres: asyncpg.Connection
) -> None:
    """A batch that is half known stores and counts the other half."""
    made = events(900)
    await drained(running_drain, redis, event_key, made[:300], made[150:600], made[600:])
    await assert_events_once(postgres, made)


async def test_id_given_twice_in_a_batch(
    running_drain: RunningDrain, redis: Redis, event_key: bytes, postgres: asyncpg.Connection
) -> None:
    """The same id twice in one batch is the event that came first, a UUIDv7 or not."""
    own = events(40)
    foreign = with_client_ids(events(40))
    again = [msgspec.structs.replace(event, type="search") for event in own]
    # An earlier id under the same name: it is the stream's order that decides, not the ids'.
    twins = [
        msgspec.structs.replace(event, event_id=id_bytes_at(event.received_ms - 60_000), type="search")
        for event in foreign
    ]
    await drained(running_drain, redis, event_key, [*own, *foreign, *again, *twins])
    await assert_events_once(postgres, [*own, *foreign])


async def test_id_given_again_across_midnight(
    running_drain: RunningDrain, redis: Redis, event_key: bytes, postgres: asyncpg.Connection
) -> None:
    """An id sent again a day later with another time is still the event that came first."""
    own = events(20)
    foreign = with_client_ids(events(20))
    day_before = [msgspec.structs.replace(event, occurred_ms=event.occurred_ms - DAY_MS) for event in own] + [
        msgspec.structs.replace(
            event,
            event_id=id_bytes_at(event.received_ms - DAY_MS),
            occurred_ms=event.occurred_ms - DAY_MS,
            received_ms=event.received_ms - DAY_MS,
        )
        for event in foreign
    ]
    await drained(running_drain, redis, event_key, [*own, *foreign], day_before)
    await assert_events_once(postgres, [*own, *foreign])


async def test_two_drains_at_once(
    running_drain: RunningDrain, redis: Redis, event_key: bytes, postgres: asyncpg.Connection
) -> None:
    """Two drains over a stream full of repeats and foreign ids neither dead-lock nor double."""
    plain = events(6_000)
    made = [*plain[:4_000], *with_client_ids(plain[4_000:])]
    await append_events(redis, event_key, [*made, *random.sample(made, 3_000)])
    async with running_drain(), running_drain():
        await until_empty(redis, event_key)
    await assert_events_once(postgres, made)


async def test_writers_of_the_same_events(postgres_dsn: str, postgres: asyncpg.Connection) -> None:
    """Three writers with the same ready events at once wait for each other, and one of them counts."""
    made = with_client_ids(events(1_200))

    async def write_all() -> int:
        async with RowWriter(EventKind(), postgres_dsn) as writer:
            parts = [made[start : start + 300] for start in range(0, len(made), 300)]
            return sum([(await writer.write_facts(part)).inserted for part in parts])

    assert sum(await asyncio.gather(*(write_all() for _ in range(3)))) == len(made)
    await assert_events_once(postgres, made)


async def test_visitors_and_sessions_are_told_apart(postgres_dsn: str, postgres: asyncpg.Connection) -> None:
    """Sketches grow from batch to batch and count people once, and no bots."""
    made = events(2_000)
    async with RowWriter(EventKind(), postgres_dsn) as writer:
        for part in (made[:900], made[900:1_000], made[1_000:], made):
            await writer.write_facts(part)
    human = [event for event in made if event.human]
    visitors = {event.user_id or event.session_id for event in human}
    rows = await postgres.fetch("SELECT visitors, sessions FROM event_visitor_rollups")
    assert distinct(SHOP_LG_K, [row["visitors"] for row in rows]) == len(visitors)
    assert distinct(SHOP_LG_K, [row["sessions"] for row in rows]) == len(
        {event.session_id for event in human}
    )
    rows = await postgres.fetch("SELECT visitors FROM event_device_rollups WHERE device = 'mobile'")
    assert distinct(DIMENSION_LG_K, [row["visitors"] for row in rows]) == len(visitors)


async def test_sources_of_rows_and_rollups(postgres_dsn: str, postgres: asyncpg.Connection) -> None:
    """A campaign's name, a search engine, our own hosts and the programs': rows and rollups say the same."""
    (one,) = events(1)
    cases = [
        ("https://shop.example/?utm_source=Brev", None, "brev"),
        ("https://shop.example/", "https://www.google.de/", "search"),
        ("https://shop.example/", "https://blog.ours.example/", "direct"),
        (None, "https://shop.example/", "direct"),  # the demo program's host
        ("https://shop.example/", "https://else.example/", "referral"),
    ]
    made = [
        msgspec.structs.replace(
            one, event_id=id_bytes_at(one.received_ms), human=True, url=url, referrer=referrer
        )
        for url, referrer, _ in cases
    ]
    async with RowWriter(EventKind(["ours.example"]), postgres_dsn) as writer:
        assert await writer.write_facts(made) == Written(5, 0)
    rows = await postgres.fetch("SELECT event_id, source FROM events")
    assert {row[0].bytes: row[1] for row in rows} == {
        event.event_id: source for event, (_, _, source) in zip(made, cases, strict=True)
    }
    rolled_up = dict(await postgres.fetch("SELECT source, human_events FROM event_source_rollups"))
    assert rolled_up == {"brev": 1, "search": 1, "direct": 2, "referral": 1}


async def test_closed_days_are_opened_again(postgres_dsn: str, postgres: asyncpg.Connection) -> None:
    """A late event removes the closing of its day and week, and those of no other."""
    (late,) = events(1, at_ms=20_775 * DAY_MS + 7_200_000)  # a Wednesday
    await postgres.execute(
        "INSERT INTO rollup_closings (span_minutes, bucket_start) "
        "SELECT span, timestamptz 'epoch' + day * interval '1 day' "
        "FROM (VALUES (1440, 20774), (1440, 20775), (1440, 20776), (10080, 20766), (10080, 20773), "
        "(10080, 20780)) AS closed (span, day)"
    )
    async with RowWriter(EventKind(), postgres_dsn) as writer:
        await writer.write_facts([late])
    left = await postgres.fetch(
        "SELECT span_minutes, (extract(epoch FROM bucket_start) / 86400)::int FROM rollup_closings "
        "ORDER BY 1, 2"
    )
    assert [tuple(row) for row in left] == [(1440, 20774), (1440, 20776), (10080, 20766), (10080, 20780)]


async def test_both_streams_count_for_a_product(
    running_drain: RunningDrain,
    redis: Redis,
    stream_key: bytes,
    event_key: bytes,
    postgres: asyncpg.Connection,
) -> None:
    """Views come from events, clicks from links; the shop's clicks are the sum of the links'."""
    made, clicked = events(600), clicks(600)
    await append(redis, stream_key, [*clicked, *clicked[:100]])
    await append_events(redis, event_key, made)
    async with running_drain():
        await until_empty(redis, stream_key)
        await until_empty(redis, event_key)
    await assert_each_once(postgres, clicked)
    human = [click for click in clicked if click.human]
    sums = await postgres.fetchrow(
        "SELECT sum(human_clicks), sum(unique_clicks), sum(bot_clicks) FROM click_rollups"
    )
    assert tuple(sums) == (len(human), sum(each.unique for each in human), len(clicked) - len(human))
    rows = await postgres.fetch(
        "SELECT product_id, sum(human_clicks), sum(unique_clicks) FROM product_rollups GROUP BY 1"
    )
    assert {tuple(row) for row in rows} == {
        (
            product,
            sum(each.product_id == product for each in human),
            sum(each.product_id == product and each.unique for each in human),
        )
        for product in ("a-product", "søppel")
    }
    await postgres.execute("DELETE FROM product_rollups WHERE views + add_to_carts + purchases = 0")
    await assert_counted(postgres, made)
