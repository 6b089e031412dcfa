"""The worker's composition root: opens what it needs, runs jobs until told to stop, closes all in order."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from prometheus_client import REGISTRY, CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine
from taskiq.receiver import Receiver

from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis
from server.db.engine import dispose, make_engine, make_sessions
from server.jobs.enqueueing import Jobs
from server.jobs.execution import JobExecution
from server.jobs.queues import QUEUES
from server.jobs.wakeups import TASK, Nudger, WakeupBroker, make_broker
from server.media.store import ObjectStore
from workers.confined import ConfinedCalls
from workers.dispatcher import Dispatcher
from workers.health import Health
from workers.lanes import Lanes
from workers.leases import Leases
from workers.metrics import WorkerMetrics
from workers.monitoring import serving_monitoring
from workers.patience import POSTGRES, Patience
from workers.picture_check import PICTURES, check_pictures
from workers.process_slots import ProcessSlots
from workers.registry import Handlers
from workers.resources import Resources
from workers.runner import JobRunner
from workers.settings import WorkerSettings
from workers.tasks.handlers import all_handlers

log = structlog.get_logger(__name__)

REDIS: Final = "redis"
IMAGES: Final = "images"
_REDIS_TIMEOUT_SECONDS: Final = 0.25
_HANDLER_STATEMENT_SECONDS: Final = 60.0
_HANDLER_POOL_SECONDS: Final = 3600.0
# Claims, completions, renewals and endings wait for no handler's connection.
_OWN_CONNECTIONS: Final = 4
_URGENT_CONNECTIONS: Final = 4
# What calls on bytes of strangers need, imported once for all their processes.
_PRELOADED: Final = ("server.media.pictures.rendering",)
_LAST_CLAIM_SECONDS: Final = 2.0
_FAREWELL_SECONDS: Final = 5.0


async def serve(settings: WorkerSettings) -> None:
    """Work until SIGTERM or SIGINT, then give running jobs the grace period and put the rest back."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await work(settings, stopping)


async def work(
    settings: WorkerSettings,
    stopping: asyncio.Event,
    *,
    handlers_of: Callable[[Resources], Handlers] = all_handlers,
) -> None:
    """Run jobs until `stopping` is set. PostgreSQL and Redis may come and go meanwhile."""
    async with _opened(settings, handlers_of) as worker:
        log.info("worker_started", worker=worker.name, queues=settings.worker_queues)
        await worker.run(stopping)
        log.info("worker_stopped", worker=worker.name)


@dataclass(frozen=True, slots=True)
class _Worker:
    name: str
    broker: WakeupBroker
    dispatcher: Dispatcher
    runner: JobRunner
    leases: Leases
    grace_seconds: float

    async def run(self, stopping: asyncio.Event) -> None:
        """An error in any part ends the whole: leases then give the jobs to other workers."""
        async with asyncio.TaskGroup() as tasks:
            keeping = [
                tasks.create_task(self.leases.renew(), name="lease renewal"),
                tasks.create_task(self.leases.watch_cancels(), name="cancel watch"),
                tasks.create_task(self.runner.completions.write(), name="completions"),
            ]
            claiming = [
                tasks.create_task(self.dispatcher.dispatch(stopping), name="dispatcher"),
                tasks.create_task(self.dispatcher.dispatch_suspects(stopping), name="suspects"),
                tasks.create_task(self.dispatcher.poll(stopping), name="poll"),
            ]
            listening = tasks.create_task(self._listen(stopping), name="wake-ups")
            await stopping.wait()
            # It may wait for Redis for two seconds more. The relay tells again of a wake-up lost on the way.
            listening.cancel()
            await asyncio.wait(claiming, timeout=_LAST_CLAIM_SECONDS)
            _cancel(claiming)
            await self.runner.finish(grace_seconds=self.grace_seconds, farewell_seconds=_FAREWELL_SECONDS)
            _cancel(keeping)

    async def _listen(self, stopping: asyncio.Event) -> None:
        # Wake-ups only set flags: there is nothing to acknowledge, to limit or to store.
        receiver = Receiver(self.broker, run_startup=False, validate_params=False, max_async_tasks=8)
        await receiver.listen(stopping)


@asynccontextmanager
async def _opened(
    settings: WorkerSettings, handlers_of: Callable[[Resources], Handlers]
) -> AsyncIterator[_Worker]:
    # It announces each wake-up at info.
    logging.getLogger("taskiq").setLevel(logging.WARNING)
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    # The process's own figures, nudges and publications count in the registry that all of it shares.
    registry = CollectorRegistry()
    registry.register(REGISTRY)
    serves_images = IMAGES in settings.worker_queues
    health = Health((POSTGRES, REDIS, *([PICTURES] if serves_images else [])))
    async with AsyncExitStack() as stack:
        stack.enter_context(
            serving_monitoring(settings.metrics_host, settings.metrics_port, registry, health)
        )
        if serves_images:
            # Beside the rest of the start, which it would keep waiting for some tenths of a second.
            checking = asyncio.create_task(check_pictures(health, registry), name="picture check")
            stack.callback(checking.cancel)
        broker = make_broker(settings.redis_url.get_secret_value(), settings.redis_prefix)
        nudger = await stack.enter_async_context(Nudger(broker))
        resources = await _open_resources(settings, nudger, stack)
        slots = await stack.enter_async_context(ProcessSlots(QUEUES[IMAGES].concurrency))
        confined = await stack.enter_async_context(
            ConfinedCalls(QUEUES[IMAGES].concurrency, preload=_PRELOADED)
        )
        own_engine = make_engine(
            settings.postgres_dsn.get_secret_value(),
            pool_size=_OWN_CONNECTIONS,
            application_name="millrace worker",
        )
        stack.push_async_callback(dispose, own_engine)
        # Each of its writes is one statement: a transaction around it would only be two more round trips.
        autocommit = own_engine.execution_options(isolation_level="AUTOCOMMIT")
        lease = timedelta(seconds=settings.job_lease_seconds)
        execution = JobExecution(autocommit, worker=name, lease=lease)
        patience = Patience(health)
        leases = Leases(execution, patience, lease_seconds=settings.job_lease_seconds)
        runner = JobRunner(
            handlers_of(resources),
            execution=execution,
            sessions=resources.sessions,
            urgent_sessions=resources.urgent_sessions,
            slots=slots,
            confined=confined,
            leases=leases,
            patience=patience,
            metrics=WorkerMetrics(registry),
        )
        lanes = Lanes(QUEUES[queue] for queue in settings.worker_queues)
        dispatcher = Dispatcher(
            lanes, execution=execution, runner=runner, patience=patience, nudge=nudger.nudge
        )
        runner.completions.on_room = dispatcher.room_made
        _connect_wakeups(broker, lanes, dispatcher, health)
        yield _Worker(name, broker, dispatcher, runner, leases, settings.worker_grace_seconds)


async def _open_resources(settings: WorkerSettings, nudger: Nudger, stack: AsyncExitStack) -> Resources:
    engine, urgent = (
        _handler_engine(settings, connections)
        for connections in (_connections(settings), _URGENT_CONNECTIONS)
    )
    stack.push_async_callback(dispose, engine)
    stack.push_async_callback(dispose, urgent)
    redis = await PipeliningRedis.open(settings.redis_url.get_secret_value(), timeout=_REDIS_TIMEOUT_SECONDS)
    stack.push_async_callback(redis.close)
    # Not part of our health: without it pictures wait, and everything else goes on.
    store = ObjectStore(settings)
    stack.push_async_callback(store.close)
    return Resources(
        settings=settings,
        engine=engine,
        sessions=make_sessions(engine),
        urgent_sessions=make_sessions(urgent),
        redis=redis,
        stream_keys=StreamKeys(settings.redis_prefix, settings.stream_shards),
        jobs=Jobs(nudger.nudge),
        store=store,
    )


def _connections(settings: WorkerSettings) -> int:
    """A picture holds one for as long as its variants are made, so each has its own beside the others."""
    pictures = QUEUES[IMAGES].concurrency if IMAGES in settings.worker_queues else 0
    return settings.postgres_pool_size + pictures


def _handler_engine(settings: WorkerSettings, connections: int) -> AsyncEngine:
    return make_engine(
        settings.postgres_dsn.get_secret_value(),
        pool_size=connections,
        # More handlers run than there are connections. They wait in turn: one made anew for each transaction
        # costs more than most of them do. Their time limit bounds the wait.
        max_overflow=0,
        pool_timeout=_HANDLER_POOL_SECONDS,
        statement_timeout=_HANDLER_STATEMENT_SECONDS,
        application_name="millrace jobs",
    )


def _connect_wakeups(broker: WakeupBroker, lanes: Lanes, dispatcher: Dispatcher, health: Health) -> None:
    async def wake(queue: str) -> None:
        dispatcher.wake(queue)

    def note(reachable: bool) -> None:
        health.report(REDIS, well=reachable)
        dispatcher.note_wakeups(reachable)

    broker.register_task(wake, task_name=TASK)
    broker.wanted = lanes.listening
    broker.on_reachable = note


def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
