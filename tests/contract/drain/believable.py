"""Clicks for the drain's tests, and what the tables must say once they are all in."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence

import asyncpg
from redis.asyncio import Redis

from millrace.streams.ids import id_bytes_at
from millrace.streams.keys import RECORD_FIELD
from millrace.streams.records import Click, encode_click

QUARTER_MS = 900_000


def clicks(count: int, *, links: int = 7, at_ms: int | None = None) -> list[Click]:
    """Clicks of the last half hour over a few links, bots among them."""
    chance = random.Random()  # noqa: S311 - anything will do
    ids = [chance.randbytes(16) for _ in range(links)]
    now_ms = int(time.time() * 1000) if at_ms is None else at_ms
    return [_click(chance, ids, now_ms - chance.randrange(1_800_000)) for _ in range(count)]


def _click(chance: random.Random, links: Sequence[bytes], at_ms: int) -> Click:
    human = chance.random() < 0.8
    return Click(
        click_id=id_bytes_at(at_ms),
        link_id=chance.choice(links),
        partner_id=links[0],
        product_id=chance.choice(["a-product", "søppel", None]),
        at_ms=at_ms,
        human=human,
        unique=human and chance.random() < 0.5,
        visitor=chance.randbytes(8),
        device="mobile",
        referrer_host=chance.choice(["example.org", None]),
        country="NO",
    )


async def append(redis: Redis, key: bytes, records: Sequence[Click | bytes]) -> None:
    """Append clicks, or records as they are, to a stream."""
    async with redis.pipeline(transaction=False) as pipe:
        for record in records:
            pipe.xadd(key, {RECORD_FIELD: record if isinstance(record, bytes) else encode_click(record)})
        await pipe.execute()


async def stored_ids(postgres: asyncpg.Connection) -> Counter[bytes]:
    """How often each click id is in the table."""
    return Counter(row[0].bytes for row in await postgres.fetch("SELECT click_id FROM clicks"))


async def rollups(postgres: asyncpg.Connection) -> dict[tuple[bytes, int], tuple[int, int, int]]:
    """The rollup rows, by link and quarter hour since 1970."""
    rows = await postgres.fetch(
        "SELECT link_id, (extract(epoch FROM bucket_start) / 900)::bigint, "
        "human_clicks, unique_clicks, bot_clicks FROM link_click_rollups"
    )
    return {(row[0].bytes, row[1]): (row[2], row[3], row[4]) for row in rows}


def expected_rollups(of: Sequence[Click]) -> dict[tuple[bytes, int], tuple[int, int, int]]:
    """What `rollups` must give when each of these clicks was counted once."""
    distinct = {click.click_id: click for click in of}.values()
    human = Counter((click.link_id, click.at_ms // QUARTER_MS) for click in distinct if click.human)
    unique = Counter((click.link_id, click.at_ms // QUARTER_MS) for click in distinct if click.unique)
    bot = Counter((click.link_id, click.at_ms // QUARTER_MS) for click in distinct if not click.human)
    return {key: (human[key], unique[key], bot[key]) for key in human | bot}


async def assert_each_once(postgres: asyncpg.Connection, of: Sequence[Click]) -> None:
    """Lost = extra = doubled = 0, and the rollups say the same."""
    assert await stored_ids(postgres) == Counter({click.click_id for click in of})
    assert await rollups(postgres) == expected_rollups(of)


async def until_empty(redis: Redis, key: bytes, *, timeout: float = 20.0) -> None:
    """Return once every entry is acknowledged, so that nothing is left of the stream."""
    async with asyncio.timeout(timeout):
        while await redis.xlen(key):
            await asyncio.sleep(0.01)
