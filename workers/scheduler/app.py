"""The scheduler's composition root: opens what it needs, ticks, closes everything in order."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from server.db.engine import dispose, make_engine, make_sessions
from server.jobs.enqueueing import Jobs
from server.jobs.firing import ScheduleFiring
from server.jobs.leadership import Leadership
from server.jobs.schedules import Schedule
from server.jobs.wakeups import NUDGES, Nudger, make_broker
from workers.health import Health
from workers.monitoring import serving_monitoring
from workers.patience import POSTGRES
from workers.process_settings import ProcessSettings
from workers.scheduler.depths import watch_depths
from workers.scheduler.metrics import SchedulerMetrics
from workers.scheduler.scheduler import Scheduler
from workers.tasks.schedules import all_schedules

log = structlog.get_logger(__name__)

# Longer than any statement of ours takes. Also ends, after twice that, the transaction of a frozen process.
_STATEMENT_SECONDS = 5.0


async def serve(settings: ProcessSettings) -> None:
    """Schedule until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await schedule(settings, all_schedules(), stopping)


async def schedule(
    settings: ProcessSettings, schedules: Iterable[Schedule[Any]], stopping: asyncio.Event
) -> None:
    """Act, or stand by, until `stopping` is set. Backing services may come and go meanwhile."""
    registry = _registry()
    metrics = SchedulerMetrics(registry)
    health = Health([POSTGRES])
    name = _scheduler_name()
    async with AsyncExitStack() as stack:
        stack.enter_context(
            serving_monitoring(settings.metrics_host, settings.metrics_port, registry, health)
        )
        broker = make_broker(settings.redis_url.get_secret_value(), settings.redis_prefix)
        nudger = await stack.enter_async_context(Nudger(broker))
        engine = make_engine(
            settings.postgres_dsn.get_secret_value(),
            pool_size=3,
            statement_timeout=_STATEMENT_SECONDS,
            application_name="millrace scheduler",
        )
        stack.push_async_callback(dispose, engine)
        firing = ScheduleFiring(make_sessions(engine), Jobs(nudger.nudge), schedules)
        scheduler = Scheduler(engine, Leadership(name), firing, nudger.nudge, metrics=metrics, health=health)
        log.info("scheduler_started", name=name)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(scheduler.run(stopping), name="scheduler")
            tasks.create_task(watch_depths(engine, scheduler, metrics, stopping), name="depths")
    log.info("scheduler_stopped", name=name)


def _scheduler_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    registry.register(NUDGES)
    return registry
