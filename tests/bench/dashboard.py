"""How long the dashboard of 90 days takes, with 1 million and with 10 million raw events behind it.

Measured from the parsed request to the encoded answer, one at a time, in UTC and in Europe/Berlin, which is
the shop's own zone; the first call of a range apart, once connections and statements are ready.
"""

import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles

import asyncpg

from server.analytics.asking import Questions, RangeAsked
from server.analytics.dashboard import DashboardService
from server.analytics.messages import dashboard_message
from server.db.engine import make_engine, make_sessions
from server.db.migrations import upgrade
from server.standalone.backing.postgres import FAST, Postgres, running_postgres
from tests.bench.dashboard_rows import DAYS, fill, midnight
from tests.bench.rows import Row, at_most

VOLUMES = {"1 million": 1_000_000, "10 million": 10_000_000}
ZONES = ("UTC", "Europe/Berlin")
CALLS = 40
BUDGET_MS = 100


async def measure() -> list[Row]:
    """Start a PostgreSQL of its own, fill it and measure; about three minutes, most of it filling."""
    folder = Path(tempfile.mkdtemp(prefix="millrace-bench-"))
    folder.chmod(0o711)
    # Filling is not what is measured.
    settings = {**FAST, "max_wal_size": "8GB", "wal_level": "minimal", "max_wal_senders": "0"}
    try:
        async with running_postgres(folder, settings=settings) as (postgres, _):
            return [
                row for name, events in VOLUMES.items() for row in await of_volume(postgres, name, events)
            ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def of_volume(postgres: Postgres, name: str, events: int) -> list[Row]:
    """The figures with so many raw events behind the dashboard."""
    dsn = await database(postgres, f"events_{events}")
    await upgrade(dsn)
    today = midnight(datetime.now(UTC))
    began_at = time.perf_counter()
    await fill(dsn, events, today)
    filled = time.perf_counter() - began_at
    engine = make_engine(dsn)
    rows: list[Row] = []
    try:
        service = DashboardService(
            make_sessions(engine), questions=Questions(complete_until=now, find_time_zone=utc)
        )
        await service.warm_up()
        for zone in ZONES:
            asked = RangeAsked(
                timezone=zone, start=f"{today - timedelta(days=DAYS - 1):%Y-%m-%d}", interval="day"
            )
            rows += await latencies(service, asked, f"dashboard of 90 days, {zone}, {name} events", filled)
    finally:
        await engine.dispose()
    return rows


async def latencies(service: DashboardService, asked: RangeAsked, name: str, filled: float) -> list[Row]:
    """Milliseconds of one call after the other; the first one apart."""
    first, *others = [await elapsed_ms(lambda: answer(service, asked)) for _ in range(CALLS + 1)]
    return [
        at_most(f"{name}, p50", median(others), BUDGET_MS, "ms", f"filling took {filled:.0f} s"),
        at_most(f"{name}, p95", quantiles(others, n=20)[-1], BUDGET_MS, "ms"),
        at_most(f"{name}, the first of a range", first, BUDGET_MS, "ms"),
    ]


async def answer(service: DashboardService, asked: RangeAsked) -> bytes:
    encoded: bytes = dashboard_message(await service.read(asked)).SerializeToString()
    return encoded


async def elapsed_ms(call: Callable[[], Awaitable[object]]) -> float:
    began_at = time.perf_counter()
    await call()
    return 1000 * (time.perf_counter() - began_at)


async def database(postgres: Postgres, name: str) -> str:
    connection = await asyncpg.connect(postgres.dsn("postgres"))
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    return postgres.dsn(name)


async def now() -> datetime:
    return datetime.now(UTC)


async def utc() -> str:
    return "UTC"
