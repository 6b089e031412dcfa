"""Finds the link of a code: in this process, in the Redis snapshot, or at the server.

Whether a found link may be followed is judged in `edge.redirects`, at the moment of serving.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from edge.metrics import EdgeMetrics
from edge.served_link import ServedLink
from millrace.streams.keys import StreamKeys
from millrace.streams.link_cache import LinkCache, MissCache
from millrace.streams.links import LinkSnapshot, MalformedSnapshot, pack, unpack
from millrace.streams.redis_pipe import PipeliningRedis, RedisReplyError, RedisUnavailable

log = structlog.get_logger()

# A change of a link is seen by every edge within this time.
FRESH_SECONDS = 5.0
HOT_LINKS = 4096

# Asks the server; None when there is no such link. Raises ServerUnavailable.
ResolveLink = Callable[[str], Awaitable[LinkSnapshot | None]]


class ServerUnavailable(Exception):  # noqa: N818 - named for what is so
    """The server gave no usable answer in time."""


class LinkUnavailable(Exception):  # noqa: N818 - named for what is so
    """Neither Redis nor the server can say whether the link exists, and it was never seen here."""


class LinkLookup:
    """Looks links up; concurrent misses of one code share one look-up.

    A link found is served from memory for `FRESH_SECONDS`, from when it was fetched. When Redis and the
    server are both down, it is served from memory for as long as it stays there.
    """

    def __init__(
        self,
        *,
        cache: LinkCache,
        misses: MissCache,
        redis: PipeliningRedis,
        keys: StreamKeys,
        resolve_link: ResolveLink,
        metrics: EdgeMetrics,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cache = cache
        self._misses = misses
        self._redis = redis
        self._keys = keys
        self._resolve_link = resolve_link
        self._found = metrics.link_lookups
        self._now = now
        # The cache holds a million links as bytes; these few are decoded already, with when they grow old.
        self._hot: dict[str, tuple[float, ServedLink]] = {}
        self._flights: dict[str, asyncio.Task[ServedLink | None]] = {}

    def remembered(self, code: str) -> ServedLink | None:
        """Return the link if it is fresh in memory, as nearly all are."""
        hot = self._hot.get(code)
        if hot is not None and self._now() < hot[0]:
            self._found["cache"] += 1
            return hot[1]
        packed = self._cache.get(code)
        if packed is None:
            return None
        self._found["cache"] += 1
        return ServedLink.of(unpack(packed))

    async def find(self, code: str) -> ServedLink | None:
        """Return a link that is not in memory, or None when there is none. Raises LinkUnavailable."""
        if code in self._misses:
            self._found["missing"] += 1
            return None
        flight = self._flights.get(code)
        if flight is None:
            flight = self._flights[code] = asyncio.create_task(self._fetch(code))
            flight.add_done_callback(lambda _: self._flights.pop(code, None))
        # A shopper who leaves must not take the others' look-up along.
        return await asyncio.shield(flight)

    async def _fetch(self, code: str) -> ServedLink | None:
        link = await self._snapshot(code)
        if link is not None:
            return self._remember(code, link, "snapshot")
        try:
            link = await self._resolve_link(code)
        except ServerUnavailable as error:
            return self._stale(code, error)
        if link is None:
            self._forget(code)
            return None
        return self._remember(code, link, "server")

    async def _snapshot(self, code: str) -> LinkSnapshot | None:
        try:
            packed: bytes | None = await self._redis.execute("GET", self._keys.link(code))
            return None if packed is None else unpack(packed)
        except (RedisUnavailable, RedisReplyError):
            return None
        except MalformedSnapshot as error:  # a newer server writes what we cannot read yet
            log.warning("snapshot_not_readable", code=code, error=str(error))
            return None

    def _remember(self, code: str, link: LinkSnapshot, source: str) -> ServedLink:
        self._found[source] += 1
        self._cache.put(code, pack(link))
        served = ServedLink.of(link)
        if len(self._hot) >= HOT_LINKS:
            self._hot.clear()
        self._hot[code] = (self._now() + FRESH_SECONDS, served)
        return served

    def _forget(self, code: str) -> None:
        self._found["missing"] += 1
        self._misses.add(code)
        self._cache.discard(code)
        self._hot.pop(code, None)

    def _stale(self, code: str, error: ServerUnavailable) -> ServedLink:
        packed = self._cache.get_stale(code)
        if packed is None:
            self._found["unavailable"] += 1
            raise LinkUnavailable(code) from error
        self._found["stale"] += 1
        return ServedLink.of(unpack(packed))
