"""How fast the drain brings waiting streams into PostgreSQL, beside a bare COPY of the same rows."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from operator import attrgetter
from pathlib import Path
from statistics import median

import asyncpg
from redis.asyncio import Redis

from millrace.streams.keys import RECORD_FIELD, StreamKeys
from server.db.migrations import upgrade
from server.standalone.backing.postgres import DURABLE, running_postgres
from server.standalone.backing.redis import running_redis
from tests.bench.drained_traffic import Traffic, click_traffic, event_traffic, in_batches
from tests.bench.rows import Row, at_least
from workers.drain.copy_format import whole
from workers.drain.writer import RowWriter

ROOT = Path(__file__).resolve().parents[2]
KEYS = StreamKeys("bench", 1)
ROWS = 100_000
BATCH = 5_000
ROUNDS = 5


async def measure() -> list[Row]:
    """Start servers of its own and measure; about a minute."""
    async with _servers() as (dsn, redis_url):
        return await measure_on(dsn, redis_url)


async def measure_on(dsn: str, redis_url: str) -> list[Row]:
    """Measure on given servers, whose rows and streams are thrown away."""
    clicks = await _measure_traffic(dsn, redis_url, click_traffic)
    return clicks + await _measure_traffic(dsn, redis_url, event_traffic)


async def _measure_traffic(dsn: str, redis_url: str, make: Callable[[StreamKeys, int], Traffic]) -> list[Row]:
    bare, encoded, fresh, replayed = [], [], [], []
    for _ in range(ROUNDS):  # in turn, so that a busy moment of the machine hits all alike
        traffic = make(KEYS, ROWS)
        await _empty(dsn)
        bare.append(await _bare_copy(dsn, traffic))
        await _empty(dsn)
        encoded.append(await _encoded_copy(dsn, traffic))
        await _empty(dsn)
        fresh.append(await _drain_stream(dsn, redis_url, traffic))
        replayed.append(await _drain_stream(dsn, redis_url, traffic))
    reference = f"bare COPY {median(bare):,.0f} rows/s"
    ratio = median(drained / copied for drained, copied in zip(fresh, bare, strict=True))
    name = f"drain, {traffic.name}"
    return [
        at_least(f"{name}, stream to PostgreSQL", median(fresh), 40_000, "rows/s", reference),
        at_least(f"{name}, every batch a replay", median(replayed), 25_000, "rows/s", reference),
        at_least(f"{name}, beside bare COPY", ratio, 0.4, "×", reference),
        Row(f"COPY of {traffic.name} encoded beforehand", round(median(encoded)), "rows/s"),
    ]


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
    tables = await connection.fetchval(
        "SELECT string_agg(relname, ', ') FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
        "AND (relname IN ('clicks', 'events', 'event_identities', 'event_sessions') "
        "OR relname LIKE '%\\_rollups')"
    )
    await connection.execute(f"TRUNCATE {tables}")
    await connection.execute("CHECKPOINT")
    await connection.close()


async def _bare_copy(dsn: str, traffic: Traffic) -> float:
    """Rows per second of asyncpg's COPY from tuples ready in memory, in transactions of the drain's size.

    No stream, no decoding, no rollups, no exactly-once: what a program with the rows at hand gets.
    """
    connection = await _prepared(dsn, traffic)
    started = time.perf_counter()
    for rows in in_batches(traffic.rows, BATCH):
        await connection.copy_records_to_table(traffic.kind.table, records=rows, columns=traffic.kind.columns)
    took = time.perf_counter() - started
    await connection.close()
    return len(traffic.rows) / took


async def _prepared(dsn: str, traffic: Traffic) -> asyncpg.Connection:
    async with RowWriter(traffic.kind, dsn) as writer:
        await writer.open()  # makes the partitions
    return await asyncpg.connect(dsn)


async def _encoded_copy(dsn: str, traffic: Traffic) -> float:
    """The same of rows that are COPY's own bytes already: PostgreSQL's share of the work."""
    connection = await _prepared(dsn, traffic)
    rows = sorted(map(traffic.kind.pending, traffic.facts), key=attrgetter("row_id"))
    payloads = [whole(each.row for each in batch) for batch in in_batches(rows, BATCH)]
    started = time.perf_counter()
    for payload in payloads:
        await connection.copy_to_table(
            traffic.kind.table, source=_at_once(payload), columns=traffic.kind.columns, format="binary"
        )
    took = time.perf_counter() - started
    await connection.close()
    return len(rows) / took


async def _at_once(payload: bytes) -> AsyncIterator[bytes]:
    yield payload


async def _drain_stream(dsn: str, redis_url: str, traffic: Traffic) -> float:
    """Rows per second of a drain process, from a waiting stream until its last entry is acknowledged."""
    async with Redis.from_url(redis_url) as redis, _running_drain(dsn, redis_url) as process:
        await _until(lambda: _has_consumer(redis, traffic.key))
        # Asleep while the stream fills, so that neither its start nor a trickle of entries is measured.
        process.send_signal(signal.SIGSTOP)
        await _append(redis, traffic)
        started = time.perf_counter()
        process.send_signal(signal.SIGCONT)
        await _until(lambda: _is_empty(redis, traffic.key))
        return len(traffic.facts) / (time.perf_counter() - started)


@asynccontextmanager
async def _running_drain(dsn: str, redis_url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    settings = {
        "MILLRACE_POSTGRES_DSN": dsn,
        "MILLRACE_REDIS_URL": redis_url,
        "MILLRACE_REDIS_PREFIX": KEYS.prefix,
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


async def _append(redis: Redis, traffic: Traffic) -> None:
    # A transaction for each batch: the drain's first read, already waiting, is then answered with a full one.
    for records in in_batches(traffic.records, BATCH * len(traffic.records) // len(traffic.facts)):
        async with redis.pipeline(transaction=True) as pipe:
            for record in records:
                pipe.xadd(traffic.key, {RECORD_FIELD: record})
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
