"""What happens each second: hold the lease, relay, wake workers, fire schedules. `app` opens things."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from server.jobs.enqueueing import Nudge
from server.jobs.firing import ScheduleFiring
from server.jobs.leadership import Leadership
from server.jobs.relay import relay
from workers.health import Health
from workers.patience import POSTGRES, POSTGRES_FAILURES
from workers.retries import pauses, wait_unless
from workers.scheduler.metrics import SchedulerMetrics

log = structlog.get_logger(__name__)

PERIOD_SECONDS: Final = 1.0
# A tick takes milliseconds; after this the server is frozen, and a new connection may reach another.
_TICK_SECONDS: Final = 10.0
_FAREWELL_SECONDS: Final = 2.0
# While PostgreSQL was away no worker could renew its lease: after that they get the time to do so.
MERCY_SECONDS: Final = 5.0


class Scheduler:
    """One of any number of schedulers; the holder of the lease acts. Whoever built it closes the engine."""

    def __init__(
        self,
        engine: AsyncEngine,
        leadership: Leadership,
        firing: ScheduleFiring,
        nudge: Nudge,
        *,
        metrics: SchedulerMetrics,
        health: Health,
    ) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._leadership = leadership
        self._firing = firing
        self._nudge = nudge
        self._metrics = metrics
        self._health = health
        self._acting = asyncio.Event()
        self._merciful_until = 0.0
        self._failing = False

    @property
    def acting(self) -> bool:
        """Whether the last tick found us holding the lease."""
        return self._acting.is_set()

    async def wait_until_acting(self, stopping: asyncio.Event) -> None:
        """Return once this scheduler acts, or is asked to stop."""
        while not (self.acting or stopping.is_set()):
            await wait_unless(stopping, PERIOD_SECONDS)

    async def run(self, stopping: asyncio.Event) -> None:
        """Tick every second until asked to stop, then leave at once. PostgreSQL may come and go meanwhile."""
        self._be_merciful()  # it may have been away until just now
        pause = pauses()
        while not stopping.is_set():
            try:
                async with self._engine.connect() as connection:
                    await self._tick_on(connection, stopping)
                    async with asyncio.timeout(_FAREWELL_SECONDS):
                        await self._leadership.release(connection)
            except POSTGRES_FAILURES as error:
                if not self._failing:
                    pause = pauses()
                self._note_failure(error)
                await wait_unless(stopping, next(pause))
        self._show_acting(acting=False)

    async def _tick_on(self, connection: AsyncConnection, stopping: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        while not stopping.is_set():
            begun = loop.time()
            async with asyncio.timeout(_TICK_SECONDS):
                more = await self.tick(connection)
            self._note_success()
            if not more:
                await wait_unless(stopping, begun + PERIOD_SECONDS - loop.time())

    async def tick(self, connection: AsyncConnection, now: datetime | None = None) -> bool:
        """Do one second's work, if we may; whether more waits to be done at once.

        `now` is the instant that schedules go by: PostgreSQL's own unless given. The connection commits by
        itself.
        """
        held_at = await self._leadership.hold(connection)
        self._show_acting(acting=held_at is not None)
        if held_at is None:
            return False
        expire = asyncio.get_running_loop().time() >= self._merciful_until
        relayed = await relay(connection, expire=expire)
        for queue in relayed.ready:
            self._nudge(queue)
        self._metrics.count_relayed(relayed)
        if relayed.dead:
            log.error("jobs_poisoned", jobs_by_queue=dict(relayed.dead))
        if relayed.expired:
            log.warning("leases_expired", jobs_by_queue=dict(relayed.expired))
        fired = await self._firing.fire_due(now or held_at)
        self._metrics.count_fired(fired)
        return relayed.full

    def _show_acting(self, *, acting: bool) -> None:
        if acting == self.acting:
            return
        log.info("scheduler_acting" if acting else "scheduler_on_standby")
        self._metrics.acting.set(acting)
        if acting:
            self._firing.forget()
            self._acting.set()
        else:
            self._acting.clear()

    def _be_merciful(self) -> None:
        self._merciful_until = asyncio.get_running_loop().time() + MERCY_SECONDS

    def _note_success(self) -> None:
        self._health.report(POSTGRES, well=True)
        if self._failing:
            log.info("postgres_answers_again")
        self._failing = False

    def _note_failure(self, error: BaseException) -> None:
        self._health.report(POSTGRES, well=False)
        self._show_acting(acting=False)
        self._metrics.failures.inc()
        self._be_merciful()
        if not self._failing:
            log.warning("postgres_failing", error=f"{type(error).__name__}: {error}"[:500])
        self._failing = True
