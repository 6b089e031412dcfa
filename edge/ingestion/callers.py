"""Holds every caller to its rate of events. The address itself goes no further than to the hash."""

from __future__ import annotations

from edge.client_address import ClientAddresses
from edge.ingestion.refusals import too_many_events
from edge.request_head import RequestHead
from edge.visitors import VisitorHashes, visitor_network
from millrace.streams.rate_limit import RateLimit
from millrace.streams.redis_clock import HOURS_A_DAY, RedisClock
from millrace.streams.redis_pipe import RedisFailure


class Callers:
    """Admits events by the network they come from, over all edges together.

    Our own proxies and whoever calls from among them are exempt, and so is a peer without an address.
    """

    def __init__(
        self, *, addresses: ClientAddresses, hashes: VisitorHashes, clock: RedisClock, limit: RateLimit
    ) -> None:
        self._addresses = addresses
        self._hashes = hashes
        self._clock = clock
        self._limit = limit

    async def admit(self, request: RequestHead, events: int) -> None:
        """Return when the caller may send so many more now; raises `Problem` 429. Without Redis it may."""
        forwarded_for = request.headers.getall("X-Forwarded-For", ())
        client = self._addresses.client_of(request.peer, forwarded_for)
        if not client or self._addresses.is_trusted(client):
            return
        caller = self._hashes.visitor(visitor_network(client), self._clock.hour() // HOURS_A_DAY)
        try:
            wait_seconds = await self._limit.admit(caller, events)
        except RedisFailure:
            return  # what is not recorded by Redis goes to the spool, which has a bound of its own
        if wait_seconds > 0:
            raise too_many_events(wait_seconds)
