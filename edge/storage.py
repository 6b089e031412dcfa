"""Opens what clicks and events are kept in: Redis, the spool beside it, and the watch over the streams.

Who writes there is the business of the redirect and of ingestion.
"""

from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from edge.bare_app import METRICS
from edge.settings import Settings
from edge.spool import Replayer, Spool
from edge.spool.replayer import REPLAY_TIMEOUT_SECONDS
from millrace.streams.keys import StreamKeys
from millrace.streams.pressure import StreamPressure
from millrace.streams.redis_pipe import PipeliningRedis

SETTINGS: Final = web.AppKey("settings", Settings)
KEYS: Final = web.AppKey("keys", StreamKeys)
REDIS: Final = web.AppKey("redis", PipeliningRedis)
SPOOL: Final = web.AppKey("spool", Spool)
PRESSURE: Final = web.AppKey("pressure", StreamPressure)


async def hold_redis(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    url = settings.redis_url.get_secret_value()
    async with await PipeliningRedis.open(url, timeout=settings.redis_timeout_seconds) as redis:
        app[REDIS] = redis
        gauge = app[METRICS].gauge
        gauge("redis_connected", "1 while there is a connection to Redis", lambda: redis.is_connected)
        gauge("redis_breaker_open", "1 while calls to Redis fail at once", lambda: redis.breaker_is_open)
        gauge("redis_in_flight", "Commands whose reply has not arrived", lambda: redis.in_flight)
        yield


async def hold_spool(app: web.Application) -> AsyncIterator[None]:
    settings, metrics = app[SETTINGS], app[METRICS]
    url = settings.redis_url.get_secret_value()

    async def open_redis() -> PipeliningRedis:
        return await PipeliningRedis.open(url, timeout=REPLAY_TIMEOUT_SECONDS)

    async with (
        Spool(settings.spool_folder, settings.spool_max_bytes, metrics) as spool,
        Replayer(spool, open_redis, metrics),
    ):
        app[SPOOL] = spool
        yield


async def watch_streams(app: web.Application) -> AsyncIterator[None]:
    """Watch what the drain has yet to store. Clicks count as well, and are taken all the same."""
    settings, keys = app[SETTINGS], app[KEYS]
    async with StreamPressure(
        app[REDIS],
        [*keys.all_clicks(), *keys.all_events()],
        max_entries=settings.stream_max_entries,
        max_age_seconds=settings.stream_max_age_seconds,
    ) as pressure:
        app[PRESSURE] = pressure
        gauge = app[METRICS].gauge
        gauge("streams_high", "1 while events are turned away for the streams", lambda: pressure.high)
        gauge("stream_entries", "Entries that wait, in all streams", lambda: pressure.facts()["entries"])
        gauge(
            "stream_age_seconds",
            "Age of the oldest entry that no drain has read",
            lambda: pressure.facts()["age_seconds"],
        )
        yield
