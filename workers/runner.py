"""Running one claimed job: its handler under its time limit, then the ending that this came to."""

from __future__ import annotations

import asyncio
import random
import time
import traceback
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import structlog

from server.db.engine import Sessions
from server.db.error_facts import facts_for_log
from server.jobs.execution import ClaimedJob, Failure, JobExecution, LostLease
from server.jobs.queues import CRITICAL
from server.jobs.tasks import MalformedPayload, Postponed, RetryPolicy, Task, UnknownVersion, result_json
from workers.completions import Completions
from workers.confined import ConfinedCalls
from workers.job_run import JobRun
from workers.leases import Ending, HeldJob, Leases
from workers.metrics import WorkerMetrics
from workers.patience import Patience
from workers.process_slots import ProcessSlots
from workers.registry import Handler, Handlers

log = structlog.get_logger(__name__)

# A newer worker of a rolling deploy takes the job within about so long.
PARKED_SECONDS: Final = 30.0
LONGEST_PARKED_SECONDS: Final = 120.0


class TookTooLong(Exception):  # noqa: N818 - named for what is so
    """The handler passed its task's time limit."""


class JobRunner:
    """Constructor: what runs need. Every ending is written until PostgreSQL answers, and is fenced there."""

    def __init__(
        self,
        handlers: Handlers,
        *,
        execution: JobExecution,
        sessions: Sessions,
        urgent_sessions: Sessions,
        slots: ProcessSlots,
        confined: ConfinedCalls,
        leases: Leases,
        patience: Patience,
        metrics: WorkerMetrics,
    ) -> None:
        self._handlers = handlers
        self._execution = execution
        self._sessions = sessions
        self._urgent_sessions = urgent_sessions
        self._slots = slots
        self._confined = confined
        self._leases = leases
        self._patience = patience
        self._metrics = metrics
        self._tasks: set[asyncio.Task[None]] = set()
        self.completions = Completions(execution, patience, leases, written=self._count_completion)

    def start(self, job: ClaimedJob, on_end: Callable[[], None]) -> asyncio.Task[None]:
        """Run a job just claimed; `on_end` is called once it needs its slot no more."""
        held = self._leases.hold(job)
        self._metrics.count_start(job)
        task = asyncio.create_task(self._run(held, on_end), name=f"job {job.job_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish(self, *, grace_seconds: float, farewell_seconds: float) -> None:
        """Wait for the jobs that run; put back those that take longer than the grace period."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_seconds)
        for held in self._leases.held():
            held.end(Ending.STOPPED)
        try:
            async with asyncio.timeout(farewell_seconds):
                if self._tasks:
                    await asyncio.wait(self._tasks)
                await self.completions.wait_empty()
        except TimeoutError:
            log.warning("jobs_left_to_their_leases", jobs=len(self._leases.held()))

    async def _run(self, held: HeldJob, on_end: Callable[[], None]) -> None:
        job = held.job
        structlog.contextvars.bind_contextvars(job_id=str(job.job_id), task=job.task, attempt=job.attempt)
        if job.request_id is not None:
            structlog.contextvars.bind_contextvars(request_id=job.request_id)
        try:
            outcome = await self._survived(held)
            if outcome is not None:
                self._leases.drop(held)
                self._metrics.count_end(job, outcome)
        finally:
            self._metrics.running.labels(job.queue).dec()
            on_end()

    async def _survived(self, held: HeldJob) -> str | None:
        """The turn's outcome. A turn that breaks is a failed run, never a job that is held for ever."""
        try:
            return await self._turn(held)
        except Exception as error:  # noqa: BLE001 - a fault of ours: the job must go on all the same
            return await self._fail(held.job, error, retry_in=RetryPolicy().delay(held.job.failures + 1))
        except BaseException:
            self._leases.drop(held)  # nobody is left to end it but the relay
            raise

    async def _turn(self, held: HeldJob) -> str | None:
        """What the run came to; None while its completion is still to be written."""
        job = held.job
        found = self._handlers.find(job.task)
        if found is None:
            return await self._park(job, f"no handler for task {job.task!r} in this worker")
        task, handler = found
        try:
            payload = task.decode(job.version, job.payload)
        except UnknownVersion as error:
            return await self._park(job, str(error))
        except MalformedPayload as error:
            return await self._fail(job, error, retry_in=None)
        run: JobRun[Any] = JobRun(
            held,
            payload,
            execution=self._execution,
            sessions=self._urgent_sessions if job.queue == CRITICAL else self._sessions,
            slots=self._slots,
            confined=self._confined,
        )
        raised, result = await self._handle(held, run, task, handler)
        if run.completed or (raised is None and held.ending is None):
            return self._finished(held, run, result, raised)
        # A handler that swallowed its cancellation has not done its job, whatever it returned.
        return await self._unfinished(held, task, raised or asyncio.CancelledError())

    async def _handle(
        self, held: HeldJob, run: JobRun[Any], task: Task[Any], handler: Handler[Any]
    ) -> tuple[BaseException | None, Any]:
        """What the handler raised, and what it returned. Only here can it be cancelled from outside."""
        started = time.perf_counter()
        held.handler = asyncio.current_task()
        try:
            async with asyncio.timeout(task.time_limit) as limit:
                result = await handler(run)
            if not run.completed:
                result_json(result)
        except asyncio.CancelledError as error:
            if held.handler is not None and held.ending is not None:
                held.handler.uncancel()
            elif held.handler is None or held.handler.cancelling():
                raise  # the loop itself is being closed
            return error, None  # asked for, or of the handler's own making
        except TimeoutError as error:
            if limit.expired():
                return TookTooLong(f"ran longer than {task.time_limit:g} s"), None
            return error, None
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises, SystemExit too, is its failure
            return error, None
        else:
            return None, result
        finally:
            held.handler = None
            self._metrics.run_seconds.labels(run.job.queue, task.name).observe(time.perf_counter() - started)
            await run.save()

    def _finished(
        self, held: HeldJob, run: JobRun[Any], result: Any, error: BaseException | None
    ) -> str | None:
        if not run.completed:
            self.completions.add(held, result)
            return None
        if error is not None:
            log.error("job_failed_after_completion", **facts_for_log(error))
        return "done"

    async def _unfinished(self, held: HeldJob, task: Task[Any], error: BaseException) -> str:
        job = held.job
        if held.ending is Ending.LOST or isinstance(error, LostLease):
            log.warning("job_lease_lost")
            return "lost"
        if held.ending is Ending.CANCELLED:
            return await self._write("cancelled", partial(self._execution.cancelled, job))
        if held.ending is Ending.STOPPED:
            return await self._write("released", partial(self._execution.release, [job]))
        if isinstance(error, Postponed):
            return await self._write(
                "postponed", partial(self._execution.postpone, job, error.seconds, error.why)
            )
        permanent = isinstance(error, MalformedPayload) or task.retry.is_permanent(error)
        return await self._fail(
            job, error, retry_in=None if permanent else task.retry.delay(job.failures + 1)
        )

    async def _park(self, job: ClaimedJob, why: str) -> str:
        log.warning("job_parked", why=why)
        # Longer each time, and not all at once: many that nobody knows must not crowd out those that are.
        seconds = min(PARKED_SECONDS * job.attempt, LONGEST_PARKED_SECONDS) * random.uniform(0.8, 1.2)  # noqa: S311
        return await self._write("parked", partial(self._execution.park, job, seconds, why))

    async def _fail(self, job: ClaimedJob, error: BaseException, *, retry_in: float | None) -> str:
        log.error("job_failed", retry_in_seconds=retry_in, **facts_for_log(error))
        failure = Failure(_words(error), "".join(traceback.format_exception(error)))
        outcome = "dead" if retry_in is None else "failed"
        return await self._write(outcome, partial(self._execution.fail, job, failure, retry_in=retry_in))

    async def _write(self, outcome: str, write: Callable[[], Awaitable[object]]) -> str:
        """The outcome, or `lost` when the write was refused because the job is another's by now."""
        return outcome if await self._patience.until_answered(write) else "lost"

    def _count_completion(self, held: HeldJob, accepted: bool) -> None:
        self._metrics.count_end(held.job, "done" if accepted else "lost")


def _words(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - an exception that cannot even be told is still a failure
        return type(error).__name__
