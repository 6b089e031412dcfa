"""A server of this process on a free port, over the real PostgreSQL and Valkey of the session."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from functools import partialmethod
from socketserver import BaseServer

import grpc
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from server.auth.principal import Role
from server.auth.settings import Mode
from server.auth.tokens import TokenMinter
from server.hosting import hosted
from server.rpc import host
from server.rpc.metrics import RpcMetrics
from server.settings import Settings

Mint = Callable[..., str]

SECRETS = SecretStr("test:a-secret-of-these-tests-and-nobody-else")


@pytest.fixture(scope="session", autouse=True)
def quick_metrics_end() -> Iterator[None]:
    """Lets the metrics endpoints of tests end at once; they look for a wish to stop only twice a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseServer, "serve_forever", partialmethod(BaseServer.serve_forever, 0.02))
        yield


@pytest.fixture
def settings(postgres_dsn: str, redis_url: str, redis_prefix: str) -> Settings:
    """Settings of a server on a port that the system chooses."""
    return Settings(
        mode=Mode.PRODUCTION,
        postgres_dsn=SecretStr(postgres_dsn),
        redis_url=SecretStr(redis_url),
        redis_prefix=redis_prefix,
        grpc_listen="127.0.0.1:0",
        jwt_secrets=SECRETS,
        reflection=True,
    )


@pytest.fixture
def registry() -> CollectorRegistry:
    """The Prometheus figures of the test's own server."""
    return CollectorRegistry()


@pytest.fixture
def quick_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets servers stop without a pause for their callers, which has tests of its own."""
    monkeypatch.setattr(host, "QUIET_SECONDS", 0.0)


@pytest.fixture
async def grpc_target(
    settings: Settings, registry: CollectorRegistry, quick_stop: None
) -> AsyncIterator[str]:
    """The address of a running server, host and port."""
    async with hosted(settings, metrics=RpcMetrics(registry)) as running:
        yield f"127.0.0.1:{running.port}"


@pytest.fixture
async def channel(grpc_target: str) -> AsyncIterator[grpc.aio.Channel]:
    """A plain channel to the running server: no token, no retries."""
    async with grpc.aio.insecure_channel(grpc_target, options=[("grpc.enable_retries", 0)]) as channel:
        yield channel


@pytest.fixture
def mint(settings: Settings) -> Mint:
    """Makes a bearer token: `mint(Role.ADMIN)`."""
    minter = TokenMinter(settings.signing_keys(), issuer=settings.jwt_issuer, audience=settings.jwt_audience)

    def mint(role: Role, partner_id: str | None = None) -> str:
        ttl = timedelta(minutes=5)
        return minter.mint("tester", role, ttl=ttl, partner_id=partner_id).token

    return mint


@pytest.fixture
def as_admin(mint: Mint) -> tuple[tuple[str, str], ...]:
    """Metadata of an admin's calls."""
    return (("authorization", f"Bearer {mint(Role.ADMIN)}"),)
