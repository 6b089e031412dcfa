"""The affiliate service on a PostgreSQL and a Redis of the test's own."""

from collections.abc import AsyncIterator

import pytest

from millrace.affiliate.v1.affiliate_service_pb2 import DESCRIPTOR
from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis
from server.affiliate.assembly import build_affiliate
from server.auth.principal import Principal
from server.auth.tokens import TokenMinter
from server.db.engine import make_engine, make_sessions
from server.jobs.enqueueing import Jobs
from server.rpc.pages import PageTokens
from server.rpc.validation import ContractRules
from tests.contract.affiliate.callers import PUBLIC_URL, SIGNING_KEYS, Affiliate, partner_principal


@pytest.fixture
async def redis_client(redis_url: str) -> AsyncIterator[PipeliningRedis]:
    async with await PipeliningRedis.open(redis_url, timeout=0.5) as client:
        yield client


@pytest.fixture
async def affiliate(
    postgres_dsn: str, redis_client: PipeliningRedis, redis_prefix: str
) -> AsyncIterator[Affiliate]:
    engine = make_engine(postgres_dsn, pool_size=10)
    slugs = {"p-1": "red-shoe"}

    async def find_slug(product_id: str) -> str | None:
        return slugs.get(product_id)

    rules = ContractRules()
    rules.warm(DESCRIPTOR.services_by_name.values())
    sessions = make_sessions(engine)
    keys = StreamKeys(redis_prefix)
    servicer = build_affiliate(
        sessions=sessions,
        redis=redis_client,
        keys=keys,
        jobs=Jobs(nudge=lambda queue: None),
        find_slug=find_slug,
        minter=TokenMinter(SIGNING_KEYS, issuer="millrace", audience="millrace"),
        page_tokens=PageTokens([b"a secret for pages"]),
        rules=rules,
        public_url=PUBLIC_URL,
    )
    yield Affiliate(servicer, rules, sessions, redis_client, keys, slugs)
    await engine.dispose()


@pytest.fixture
async def anna(affiliate: Affiliate) -> Principal:
    """An ACTIVE partner, as a caller."""
    return partner_principal((await affiliate.partner()).partner_id)
