"""The drain's composition root: opens what it needs, runs one loop per stream, closes everything in order."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from millrace.streams.keys import StreamKeys
from workers.drain.click_kind import ClickKind
from workers.drain.consumer import ShardDrain
from workers.drain.event_kind import EventKind
from workers.drain.lag import watch_lag
from workers.drain.metrics import DrainMetrics
from workers.drain.rows import StreamKind
from workers.drain.settings import DrainSettings
from workers.drain.steps import OnStep, go_on
from workers.drain.stream import RecordStream, consumer_name, open_redis
from workers.drain.writer import RowWriter
from workers.health import Health
from workers.monitoring import serving_monitoring

log = structlog.get_logger(__name__)


async def serve(settings: DrainSettings) -> None:
    """Drain until SIGTERM or SIGINT, then finish the batch at hand."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await drain(settings, stopping)


async def drain(settings: DrainSettings, stopping: asyncio.Event, *, on_step: OnStep = go_on) -> None:
    """Drain every shard's streams until `stopping` is set. Backing services may come and go meanwhile."""
    kinds = _kinds_of_streams(settings)
    health = Health(f"{service} {key.decode()}" for key in kinds for service in ("redis", "postgres"))
    registry = _registry()
    metrics = DrainMetrics(registry)
    consumer = consumer_name()
    async with AsyncExitStack() as stack:
        stack.enter_context(
            serving_monitoring(settings.metrics_host, settings.metrics_port, registry, health)
        )
        redis = await stack.enter_async_context(open_redis(settings.redis_url.get_secret_value()))
        shards = []
        for key, kind in kinds.items():
            writer = RowWriter(kind, settings.postgres_dsn.get_secret_value(), on_step=on_step)
            await stack.enter_async_context(writer)
            stream = RecordStream(redis, key, consumer, entries_per_read=kind.entries_per_read)
            shards.append(ShardDrain(stream, writer, metrics=metrics, health=health, on_step=on_step))
        log.info("drain_started", consumer=consumer, streams=len(kinds))
        async with asyncio.TaskGroup() as tasks:
            for key, shard in zip(kinds, shards, strict=True):
                tasks.create_task(shard.run(stopping), name=f"drain {key.decode()}")
                tasks.create_task(watch_lag(redis, key, metrics, stopping), name=f"lag {key.decode()}")
    log.info("drain_stopped", consumer=consumer)


def _kinds_of_streams(settings: DrainSettings) -> dict[bytes, StreamKind[Any, Any]]:
    keys = StreamKeys(settings.redis_prefix, settings.stream_shards)
    kinds: dict[bytes, StreamKind[Any, Any]] = {}
    for clicks in keys.all_clicks():
        kinds[clicks] = ClickKind()
    for events in keys.all_events():
        kinds[events] = EventKind(settings.own_hosts, retention_days=settings.event_retention_days)
    return kinds


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry
