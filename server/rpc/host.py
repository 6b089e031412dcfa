"""The listening gRPC server: port, TLS, health, reflection and the graceful stop. It knows no domain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH_NAME
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

log = structlog.get_logger(__name__)

# Quoted: generic for the type checker only.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

# Clients that watch health go elsewhere before the port closes: it stays open until no call has come in for
# so long, at most for the second time, since not every client watches. A call that meets the closing is lost.
QUIET_SECONDS = 0.5
_LEAVING_SECONDS = 5.0
_LOOK_SECONDS = 0.05
# For calls under way: what the slowest method is given, and a moment.
_GRACE_SECONDS = 32.0


@dataclass(frozen=True, slots=True)
class HostedService:
    """One service: descriptor, the call that registers its servicer, what makes its first answer fast."""

    descriptor: ServiceDescriptor
    register: Callable[[grpc.aio.Server], None]
    warm_up: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of the server's identity; with `client_ca`, callers must present a certificate of that CA."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def credentials(self) -> grpc.ServerCredentials:
        return grpc.ssl_server_credentials(
            [(self.key.read_bytes(), self.certificate.read_bytes())],
            root_certificates=self.client_ca.read_bytes() if self.client_ca else None,
            require_client_auth=self.client_ca is not None,
        )


class GrpcHost:
    """A started server that stops without failing a call: `async with GrpcHost(…) as host`."""

    def __init__(
        self,
        *,
        listen: str,
        services: Sequence[HostedService],
        interceptor: grpc.aio.ServerInterceptor,
        reflect: bool = False,
        tls: TlsFiles | None = None,
    ) -> None:
        self._listen = listen
        self._services = services
        self._tls = tls
        self._health = health_aio.HealthServicer()
        # One port per process: processes that share one by SO_REUSEPORT lose calls at every restart.
        self._arrivals = _Arrivals()
        self._server = grpc.aio.server(
            interceptors=[self._arrivals, interceptor], options=[("grpc.so_reuseport", 0)]
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for service in services:
            service.register(self._server)
        if reflect:
            names = [service.descriptor.full_name for service in services]
            reflection.enable_server_reflection([*names, HEALTH_NAME, reflection.SERVICE_NAME], self._server)
        self.port = 0

    async def __aenter__(self) -> GrpcHost:
        if self._tls is None:
            self.port = self._server.add_insecure_port(self._listen)
        else:
            self.port = self._server.add_secure_port(self._listen, self._tls.credentials())
        await self._server.start()
        for name in self._health_names():
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        log.info("grpc_started", listen=self._listen, port=self.port, tls=self._tls is not None)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._health.enter_graceful_shutdown()
        await self._arrivals.end(quiet=QUIET_SECONDS, within=_LEAVING_SECONDS)
        await self._server.stop(_GRACE_SECONDS)
        log.info("grpc_stopped")

    def _health_names(self) -> list[str]:
        """Every service by name, and the empty name that stands for the whole process."""
        return ["", *(service.descriptor.full_name for service in self._services)]


class _Arrivals(grpc.aio.ServerInterceptor):
    """When calls come in. Streams that were opened before, such as those that watch health, are none."""

    def __init__(self) -> None:
        self._last_at = 0.0

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        self._last_at = asyncio.get_running_loop().time()
        return await continuation(handler_call_details)

    async def end(self, *, quiet: float, within: float) -> None:
        """Returns once no call has come in for `quiet` seconds from now on, at the latest after `within`.

        Time in which the loop was late does not count as quiet: calls may be waiting to be seen.
        """
        loop = asyncio.get_running_loop()
        now = quiet_since = loop.time()
        end_at = now + within
        while now < min(max(quiet_since, self._last_at) + quiet, end_at):
            await asyncio.sleep(_LOOK_SECONDS)
            looked_before, now = now, loop.time()
            if now - looked_before > 2 * _LOOK_SECONDS:
                quiet_since = now
