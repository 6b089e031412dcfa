"""An event that can never become a row is set apart alone; the others of its request go on."""

from __future__ import annotations

import msgspec
import pytest
from asyncpg import Connection
from redis.asyncio import Redis

from millrace.streams.event_records import decode_events
from millrace.streams.ids import id_bytes_at
from tests.contract.drain.believable import append, until_empty
from tests.contract.drain.believable_events import (
    DAY_MS,
    append_events,
    assert_events_once,
    events,
    record,
    with_client_ids,
)
from tests.contract.drain.drains import RunningDrain


async def test_each_kind_of_poison_in_one_request(
    running_drain: RunningDrain, redis: Redis, event_key: bytes, postgres: Connection
) -> None:
    """Every letter names its place in the entry, says why, and holds that event alone, readable again."""
    made = events(25, per_request=25)
    good, bad = made[:20], made[20:]
    changes: list[tuple[str, dict[str, object]]] = [
        ("refused_by_postgres", {"url": "nul\x00"}),
        ("refused_by_postgres", {"metadata": b'{"nul":"\\u0000"}'}),
        ("malformed", {"country": "åå"}),
        ("dated_in_the_future", {"occurred_ms": bad[0].received_ms + 2 * DAY_MS}),
        ("older_than_retention", {"occurred_ms": bad[0].received_ms - 32 * DAY_MS}),
    ]
    poison = [
        msgspec.structs.replace(event, **change) for event, (_, change) in zip(bad, changes, strict=True)
    ]
    request = [each for pair in zip(good, [*poison, *[None] * 15], strict=True) for each in pair if each]
    await append_events(redis, event_key, request, per_request=25)
    async with running_drain():
        await until_empty(redis, event_key)
    await assert_events_once(postgres, good)
    letters = await postgres.fetch("SELECT * FROM stream_dead_letters ORDER BY position")
    assert [(row["position"], row["reason"]) for row in letters] == [
        (1 + 2 * place, reason) for place, (reason, _) in enumerate(changes)
    ]
    assert [decode_events(row["record"]) for row in letters] == [[event] for event in poison]


async def test_poison_with_a_foreign_id_can_come_back(
    running_drain: RunningDrain, redis: Redis, event_key: bytes, postgres: Connection
) -> None:
    """A buried event leaves no identity behind: whole, the event under that id is taken."""
    (whole,) = with_client_ids(events(1))
    broken = msgspec.structs.replace(whole, session_id="\x00")
    good = events(60)
    async with running_drain():
        await append_events(redis, event_key, [*good[:30], broken, *good[30:]])
        await until_empty(redis, event_key)
        await assert_events_once(postgres, good)
        await append_events(redis, event_key, [whole])
        await until_empty(redis, event_key)
    await assert_events_once(postgres, [*good, whole])


async def test_whole_event_behind_a_broken_one_of_its_name(
    running_drain: RunningDrain, redis: Redis, event_key: bytes, postgres: Connection
) -> None:
    """In one batch too: what is refused does not stand for what follows under the same id."""
    (broken,) = with_client_ids(events(1))
    broken = msgspec.structs.replace(broken, url="\x00")
    whole = msgspec.structs.replace(broken, url=None, event_id=id_bytes_at(broken.received_ms + 1))
    await append_events(redis, event_key, [broken, whole])
    async with running_drain():
        await until_empty(redis, event_key)
    await assert_events_once(postgres, [whole])
    assert await postgres.fetchval("SELECT count(*) FROM stream_dead_letters") == 1


@pytest.mark.parametrize("rubbish", [b"\x01garbage that is long enough to be one", b""])
async def test_entry_that_is_no_record(
    rubbish: bytes, running_drain: RunningDrain, redis: Redis, event_key: bytes, postgres: Connection
) -> None:
    """An entry that cannot be read is one letter, whole; what stands around it arrives."""
    good = events(40)
    await append(redis, event_key, [record(good[:20]), rubbish, record(good[20:])])
    async with running_drain():
        await until_empty(redis, event_key)
    await assert_events_once(postgres, good)
    (letter,) = await postgres.fetch("SELECT position, reason, record FROM stream_dead_letters")
    assert tuple(letter) == (0, "malformed", rubbish)
