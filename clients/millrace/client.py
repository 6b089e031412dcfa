"""Connects to a Millrace server: typed async stubs, a credential on every call, errors as exceptions."""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from millrace.affiliate.v1 import affiliate_service_pb2
from millrace.affiliate.v1.affiliate_service_pb2_grpc import AffiliateServiceStub
from millrace.analytics.v1 import analytics_service_pb2
from millrace.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from millrace.catalog.v1 import catalog_service_pb2
from millrace.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from millrace.channel import open_channel
from millrace.errors import error_from_rpc
from millrace.jobs.v1 import jobs_service_pb2
from millrace.jobs.v1.jobs_service_pb2_grpc import JobsServiceStub
from millrace.media.v1 import media_service_pb2
from millrace.media.v1.media_service_pb2_grpc import MediaServiceStub

DEFAULT_DEADLINE_SECONDS = 10.0

# Either the token itself, or something that gives a current one for each call.
TokenSource = str | Callable[[], str]

SERVICES: tuple[ServiceDescriptor, ...] = (
    affiliate_service_pb2.DESCRIPTOR.services_by_name["AffiliateService"],
    analytics_service_pb2.DESCRIPTOR.services_by_name["AnalyticsService"],
    catalog_service_pb2.DESCRIPTOR.services_by_name["CatalogService"],
    jobs_service_pb2.DESCRIPTOR.services_by_name["JobsService"],
    media_service_pb2.DESCRIPTOR.services_by_name["MediaService"],
)


class Client:
    """The services of one Millrace server, as generated asyncio stubs.

    A failed call raises `millrace.errors.MillraceError`. Use it as an async context manager, or call
    `close`.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self.affiliate = AffiliateServiceStub(channel)
        self.analytics = AnalyticsServiceStub(channel)
        self.catalog = CatalogServiceStub(channel)
        self.jobs = JobsServiceStub(channel)
        self.media = MediaServiceStub(channel)

    async def close(self, grace_seconds: float | None = None) -> None:
        """Ends the connection; calls under way get `grace_seconds` to finish."""
        await self._channel.close(grace_seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


def connect(
    target: str,
    *,
    token: TokenSource | None = None,
    credentials: grpc.ChannelCredentials | None = None,
    deadline_seconds: float = DEFAULT_DEADLINE_SECONDS,
) -> Client:
    """Returns a client of the server at `target` (`host:port`); must be called in a running event loop.

    `token` goes along with every call as a bearer credential; a callable is asked before each one, so
    that it can hand out a fresh token. A call's own `timeout=` counts in place of `deadline_seconds`; give
    one of 20 s to `ProcessMedia` that waits. Nothing is sent before the first call.
    """
    channel = open_channel(
        target,
        SERVICES,
        credentials=credentials,
        interceptors=[CallerInterceptor(token, deadline_seconds)],
    )
    return Client(channel)


class CallerInterceptor(grpc.aio.UnaryUnaryClientInterceptor):
    """Gives each call a credential and a deadline, and raises its failure as a `MillraceError`."""

    def __init__(self, token: TokenSource | None, deadline_seconds: float) -> None:
        self._token = token
        self._deadline_seconds = deadline_seconds

    async def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Any], Awaitable[Any]],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Any,
    ) -> Any:
        call = await continuation(self._completed(client_call_details), request)
        try:
            await call
        except grpc.aio.AioRpcError as failure:
            raise error_from_rpc(failure) from failure
        return call

    def _completed(self, details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
        token = self._token() if callable(self._token) else self._token
        metadata = grpc.aio.Metadata(*(details.metadata or ()))
        if token is not None:
            metadata.add("authorization", f"Bearer {token}")
        return grpc.aio.ClientCallDetails(
            method=details.method,
            timeout=self._deadline_seconds if details.timeout is None else details.timeout,
            metadata=metadata,
            credentials=details.credentials,
            wait_for_ready=details.wait_for_ready,
        )
