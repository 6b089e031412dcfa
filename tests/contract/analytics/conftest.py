"""The analytics service on a PostgreSQL and a Redis of the test's own, in a shop that lives in Berlin."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from millrace.streams.event_writer import EventWriter
from millrace.streams.keys import StreamKeys
from millrace.streams.pressure import StreamPressure
from millrace.streams.redis_clock import RedisClock
from millrace.streams.redis_pipe import PipeliningRedis
from server.analytics.assembly import build_analytics
from server.db.engine import make_engine, make_sessions
from server.jobs.enqueueing import Jobs
from server.rpc.pages import PageTokens
from server.rpc.validation import ContractRules
from tests.contract.analytics.analysts import Analysts


async def berlin() -> str:
    return "Europe/Berlin"


@pytest.fixture
async def analysts(postgres_dsn: str, redis_url: str, redis_prefix: str) -> AsyncIterator[Analysts]:
    engine = make_engine(postgres_dsn)
    postgres = await asyncpg.connect(postgres_dsn, server_settings={"timezone": "UTC"})
    sessions, keys = make_sessions(engine), StreamKeys(redis_prefix, 2)
    async with (
        await PipeliningRedis.open(redis_url, timeout=0.5) as redis,
        StreamPressure(redis, keys.all_events(), 3, 3_600.0) as pressure,
    ):
        servicer = build_analytics(
            sessions=sessions,
            redis=redis,
            keys=keys,
            writer=EventWriter(redis, keys, RedisClock()),
            pressure=pressure,
            jobs=Jobs(lambda queue: None),
            find_time_zone=berlin,
            page_tokens=PageTokens([b"a secret for pages"]),
        )
        yield Analysts(servicer, ContractRules(), sessions, postgres, redis, keys)
    await postgres.close()
    await engine.dispose()
