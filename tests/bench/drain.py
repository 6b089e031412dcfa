"""How fast the drain brings a waiting stream into PostgreSQL, beside a bare COPY of the same rows."""

import asyncio
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from uuid import UUID

import asyncpg
from redis.asyncio import Redis

from millrace.streams.ids import id_bytes_at
from millrace.streams.keys import RECORD_FIELD, StreamKeys
from millrace.streams.records import Click, encode_click
from server.affiliate.click_columns import CLICK_COLUMNS
from server.db.migrations import upgrade
from server.standalone.backing.postgres import DURABLE, running_postgres
from server.standalone.backing.redis import running_redis
from tests.bench.rows import Row, at_least
from workers.drain.copy_format import HEADER, TRAILER, copy_row
from workers.drain.writer import ClickWriter

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "bench"
CLICKS = 100_000
LINKS = 500
BATCH = 5_000
ROUNDS = 5


async def measure() -> list[Row]:
    """Start servers of its own and measure; about half a minute."""
    async with _servers() as (dsn, redis_url):
        return await measure_on(dsn, redis_url)


async def measure_on(dsn: str, redis_url: str) -> list[Row]:
    """Measure on given servers, whose clicks and streams are thrown away."""
    bare, encoded, fresh, replayed = [], [], [], []
    for _ in range(ROUNDS):  # in turn, so that a busy moment of the machine hits all alike
        clicks = believable_clicks(CLICKS)
        await _empty(dsn)
        bare.append(await _bare_copy(dsn, clicks))
        await _empty(dsn)
        encoded.append(await _encoded_copy(dsn, clicks))
        await _empty(dsn)
        records = [encode_click(click) for click in clicks]
        fresh.append(await _drain_stream(dsn, redis_url, records))
        replayed.append(await _drain_stream(dsn, redis_url, records))
    reference = f"bare COPY {median(bare):,.0f} rows/s"
    ratio = median(drained / copied for drained, copied in zip(fresh, bare, strict=True))
    return [
        at_least("drain, stream to PostgreSQL", median(fresh), 40_000, "rows/s", reference),
        at_least("drain, every batch a replay", median(replayed), 25_000, "rows/s", reference),
        at_least("drain beside bare COPY", ratio, 0.4, "×", reference),
        Row("COPY of rows encoded beforehand", round(median(encoded)), "rows/s"),
    ]


def believable_clicks(count: int) -> list[Click]:
    """Clicks of the last minutes over LINKS links, some far more popular than others."""
    chance = random.Random(7)  # noqa: S311 - the same clicks every time
    links = [chance.randbytes(16) for _ in range(LINKS)]
    now_ms = int(time.time() * 1000)
    return [_click(chance, links, now_ms - (count - number) // 20) for number in range(count)]


def _click(chance: random.Random, links: Sequence[bytes], at_ms: int) -> Click:
    link = int(chance.paretovariate(0.7)) % len(links)
    human = chance.random() < 0.9
    return Click(
        click_id=id_bytes_at(at_ms),
        link_id=links[link],
        partner_id=links[link % 20],
        product_id=f"product-{link}",
        at_ms=at_ms,
        human=human,
        unique=human and chance.random() < 0.7,
        visitor=chance.randbytes(8),
        device=chance.choice(["mobile", "desktop", "tablet"]) if human else "bot",
        referrer_host=chance.choice(["www.google.com", "t.co", None]),
        country=chance.choice(["DE", "FR", "US"]),
    )


@asynccontextmanager
async def _servers() -> AsyncIterator[tuple[str, str]]:
    folder = Path(tempfile.mkdtemp(prefix="millrace-bench-"))
    folder.chmod(0o711)
    try:
        async with (
            running_postgres(folder, settings=DURABLE) as (postgres, _),
            running_redis(folder) as (redis, _),
        ):
            await upgrade(postgres.dsn("postgres"))
            yield postgres.dsn("postgres"), redis.url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _empty(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("TRUNCATE clicks, link_click_rollups")
    await connection.execute("CHECKPOINT")
    await connection.close()


async def _bare_copy(dsn: str, clicks: Sequence[Click]) -> float:
    """Rows per second of asyncpg's COPY from tuples ready in memory, in transactions of the drain's size.

    No stream, no decoding, no rollups, no exactly-once: what a program with the rows at hand gets.
    """
    await _make_partitions(dsn)
    rows = [
        (
            UUID(bytes=click.click_id),
            UUID(bytes=click.link_id),
            UUID(bytes=click.partner_id),
            datetime.fromtimestamp(click.at_ms / 1000, UTC),
            click.human,
            click.unique,
            click.visitor,
            click.country,
            click.device,
            click.product_id,
            click.referrer_host,
        )
        for click in clicks
    ]
    connection = await asyncpg.connect(dsn)
    started = time.perf_counter()
    for start in range(0, len(rows), BATCH):
        await connection.copy_records_to_table(
            "clicks", records=rows[start : start + BATCH], columns=CLICK_COLUMNS
        )
    took = time.perf_counter() - started
    await connection.close()
    return len(clicks) / took


async def _make_partitions(dsn: str) -> None:
    async with ClickWriter(dsn) as writer:
        await writer.open()


async def _encoded_copy(dsn: str, clicks: Sequence[Click]) -> float:
    """The same of rows that are COPY's own bytes already: PostgreSQL's share of the work."""
    await _make_partitions(dsn)
    rows = [copy_row(click) for click in clicks]
    payloads = [b"".join([HEADER, *rows[i : i + BATCH], TRAILER]) for i in range(0, len(rows), BATCH)]
    connection = await asyncpg.connect(dsn)
    started = time.perf_counter()
    for payload in payloads:
        await connection.copy_to_table(
            "clicks", source=_whole(payload), columns=CLICK_COLUMNS, format="binary"
        )
    took = time.perf_counter() - started
    await connection.close()
    return len(clicks) / took


async def _whole(payload: bytes) -> AsyncIterator[bytes]:
    yield payload


async def _drain_stream(dsn: str, redis_url: str, records: Sequence[bytes]) -> float:
    """Rows per second of a drain process, from a waiting stream until its last entry is acknowledged."""
    key = StreamKeys(PREFIX, 1).clicks(0)
    async with Redis.from_url(redis_url) as redis, _running_drain(dsn, redis_url) as process:
        await _until(lambda: _has_consumer(redis, key))
        # Asleep while the stream fills, so that neither its start nor a trickle of entries is measured.
        process.send_signal(signal.SIGSTOP)
        await _append(redis, key, records)
        started = time.perf_counter()
        process.send_signal(signal.SIGCONT)
        await _until(lambda: _is_empty(redis, key))
        return len(records) / (time.perf_counter() - started)


@asynccontextmanager
async def _running_drain(dsn: str, redis_url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    settings = {
        "MILLRACE_POSTGRES_DSN": dsn,
        "MILLRACE_REDIS_URL": redis_url,
        "MILLRACE_REDIS_PREFIX": PREFIX,
        "MILLRACE_METRICS_PORT": "0",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "workers.drain",
        cwd=ROOT, env={**os.environ, **settings}, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


async def _append(redis: Redis, key: bytes, records: Sequence[bytes]) -> None:
    # A transaction for each batch: the drain's first read, already waiting, is then answered with a full one.
    for start in range(0, len(records), BATCH):
        async with redis.pipeline(transaction=True) as pipe:
            for record in records[start : start + BATCH]:
                pipe.xadd(key, {RECORD_FIELD: record})
            await pipe.execute()


async def _has_consumer(redis: Redis, key: bytes) -> bool:
    if not await redis.exists(key):
        return False
    return any(group["consumers"] for group in await redis.xinfo_groups(key))


async def _is_empty(redis: Redis, key: bytes) -> bool:
    return not await redis.xlen(key)


async def _until(met: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await met():
            await asyncio.sleep(0.01)
