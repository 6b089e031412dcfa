"""The composition root: opens every resource once and builds each service by constructor. No rule is here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis
from server.auth.keys import load_public_keys
from server.auth.settings import TokenSettings
from server.auth.tokens import TokenMinter, TokenVerifier
from server.catalog.service import CatalogService
from server.db.engine import Sessions, make_engine, make_sessions, wait_until_reachable
from server.jobs.enqueueing import Jobs
from server.jobs.wakeups import Nudger, make_broker
from server.media.store import ObjectStore
from server.rpc.pages import PageTokens
from server.rpc.validation import ContractRules
from server.settings import Settings

# Off the hot path: better to wait a little for a busy Redis than to leave an old snapshot of a link there.
_REDIS_TIMEOUT_SECONDS = 0.25
_START_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Services:
    """What the server and the workers build upon. Whoever opened it closes it."""

    sessions: Sessions
    redis: PipeliningRedis
    stream_keys: StreamKeys
    jobs: Jobs
    minter: TokenMinter | None
    verifier: TokenVerifier
    page_tokens: PageTokens
    rules: ContractRules
    catalog: CatalogService
    store: ObjectStore


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Connect to the backing services, waiting up to 30 s for each, and close everything in reverse order."""
    async with AsyncExitStack() as stack:
        engine = make_engine(settings.postgres_dsn.get_secret_value(), pool_size=settings.postgres_pool_size)
        stack.push_async_callback(engine.dispose)
        await wait_until_reachable(engine, patience=_START_PATIENCE_SECONDS)
        redis = await PipeliningRedis.open(
            settings.redis_url.get_secret_value(), timeout=_REDIS_TIMEOUT_SECONDS
        )
        stack.push_async_callback(redis.close)
        await redis.wait_connected(_START_PATIENCE_SECONDS)
        broker = make_broker(settings.redis_url.get_secret_value(), settings.redis_prefix)
        nudger = await stack.enter_async_context(Nudger(broker))
        # Connects when first asked for something: a server whose store is away does everything else.
        store = ObjectStore(settings)
        stack.push_async_callback(store.close)
        sessions = make_sessions(engine)
        keys = settings.signing_keys()
        yield Services(
            sessions=sessions,
            redis=redis,
            stream_keys=StreamKeys(settings.redis_prefix, settings.stream_shards),
            jobs=Jobs(nudger.nudge),
            minter=make_minter(settings) if settings.mints_tokens else None,
            verifier=make_verifier(settings),
            page_tokens=PageTokens([key.secret.get_secret_value().encode() for key in keys]),
            rules=ContractRules(),
            catalog=CatalogService(sessions),
            store=store,
        )


def make_minter(settings: TokenSettings) -> TokenMinter:
    """Signs with the first of our secrets."""
    return TokenMinter(settings.signing_keys(), issuer=settings.jwt_issuer, audience=settings.jwt_audience)


def make_verifier(settings: TokenSettings) -> TokenVerifier:
    """Accepts tokens under our own secrets and under the public keys of the configured file."""
    path = settings.jwt_public_keys
    return TokenVerifier(
        settings.signing_keys(),
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        public_keys=load_public_keys(path) if path else None,
    )
