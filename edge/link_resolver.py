"""Asks the server for a link over gRPC, and stops asking for a moment when it does not answer."""

import time
from collections.abc import Callable

import grpc
import structlog

from edge.lookup import ServerUnavailable
from millrace.affiliate.v1 import affiliate_service_pb2, link_pb2
from millrace.affiliate.v1.affiliate_service_pb2_grpc import AffiliateServiceStub
from millrace.streams.breaker import Breaker
from millrace.streams.ids import id_bytes
from millrace.streams.links import LinkSnapshot, LinkStatus

log = structlog.get_logger()

# A shopper waits for this only where neither cache nor Redis knows the link.
DEADLINE_SECONDS = 1.0
FAILURES_BEFORE_PAUSE = 3
PAUSE_SECONDS = 1.0


class LinkResolver:
    """Calls AffiliateService.ResolveLink. After a few failures in a row it fails at once, save for one call
    a second that tries again, so that a server that is dead, or hangs, does not hold up shoppers whose links
    are still in memory.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        token: str | None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolve = AffiliateServiceStub(channel).ResolveLink
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._breaker = Breaker(FAILURES_BEFORE_PAUSE, PAUSE_SECONDS, now)

    async def __call__(self, code: str) -> LinkSnapshot | None:
        if not self._breaker.admits():
            raise ServerUnavailable("not asked: it did not answer a moment ago")
        request = affiliate_service_pb2.ResolveLinkRequest(short_code=code)
        try:
            # Between two restarts there may be no server for a moment: that is no reason to give up at once.
            answer = await self._resolve(
                request, timeout=DEADLINE_SECONDS, metadata=self._metadata, wait_for_ready=True
            )
        except grpc.aio.AioRpcError as error:
            if error.code() in {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT}:
                self._breaker.succeeded()
                return None
            self._note_failure(error)
            raise ServerUnavailable(error.code().name) from error
        self._breaker.succeeded()
        return snapshot_of(answer)

    @property
    def pausing(self) -> bool:
        """Whether the server is not asked, save for the one call a second."""
        return self._breaker.is_open

    def _note_failure(self, error: grpc.aio.AioRpcError) -> None:
        was_pausing = self.pausing
        self._breaker.failed()
        if self.pausing and not was_pausing:
            log.warning("link_resolution_failed", code=error.code().name, detail=error.details())


def snapshot_of(answer: link_pb2.ResolvedLink) -> LinkSnapshot:
    """Return the server's answer in the form in which links are kept in memory."""
    return LinkSnapshot(
        version=answer.version,
        status=LinkStatus.ACTIVE if answer.status == link_pb2.Link.ACTIVE else LinkStatus.DISABLED,
        link_id=id_bytes(answer.link_id),
        partner_id=id_bytes(answer.partner_id),
        product_id=answer.product_id if answer.HasField("product_id") else None,
        destination=answer.destination_url,
        fallback_url=answer.fallback_url if answer.HasField("fallback_url") else None,
        expires_at_ms=answer.expires_at.ToMilliseconds() if answer.HasField("expires_at") else None,
        forward_query=answer.forward_query,
        click_id_parameter=answer.click_id_parameter if answer.HasField("click_id_parameter") else None,
        attribution_window_s=answer.attribution_window_seconds,
    )
