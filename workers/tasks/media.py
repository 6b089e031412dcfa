"""Runs what the media domain leaves to be done: variants, removals, sweeps and the reconciliation."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import msgspec
import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy import select

from server.db.engine import Sessions
from server.jobs.models import Job
from server.jobs.tasks import PermanentFailure, Postponed
from server.media.media import Reason
from server.media.pictures.rendering import Refused, Rendered, decode_answer, encode_request, render
from server.media.processing import Processing
from server.media.recipes import Recipes
from server.media.reconciling import ImplausibleLoss, Reconciliation, Report
from server.media.removal import ObjectRemoval
from server.media.repairs import Repairs
from server.media.settings import MediaSettings
from server.media.sweeps import UploadSweep
from server.media.tasks import PROCESS_MEDIA, ContentLeft, MediaToProcess, MediaUpkeep, ObjectsToDelete
from workers.confined import Crashed, Killed, LimitExceeded, Limits
from workers.job_run import JobRun
from workers.resources import Resources

# A picture whose process was killed so often by somebody else is what the memory went into.
_MOST_KILLS: Final = 3
_KILLED: Final = (f"{Killed.__name__}:", f"{LimitExceeded.__name__}:")
# Cores are shared; a process that got a third of one is still at work.
_WALL_PER_CPU_SECOND: Final = 3.0
_LONGEST_WALL_SECONDS: Final = 120.0
# Most pictures take less.
_DRAWING_SECONDS: Final = 5.0
_SHOWN_KEYS: Final = 5

PROCESSED = Counter(
    "millrace_media_processed",
    "Runs of pictures that ended well, by what became of the picture and, where it was rejected, why.",
    ("outcome", "reason"),
)
VARIANTS = Counter(
    "millrace_media_variants", "Variants of finished pictures: made, or found made already.", ("how",)
)
DIFFERENCES = Gauge(
    "millrace_media_differences",
    "What the last reconciliation of this worker found: orphans, lost_renditions, lost_originals, foreign.",
    ("kind",),
)

log = structlog.get_logger(__name__)


class MediaTasks:
    """Constructor: what the worker opened."""

    def __init__(self, resources: Resources) -> None:
        sessions, store, jobs = resources.sessions, resources.store, resources.jobs
        self._sessions = sessions
        self._limits = limits_of(resources.settings)
        self._processing = Processing(sessions, store, jobs, seconds=PROCESS_MEDIA.time_limit)
        self._removal = ObjectRemoval(sessions, store)
        self._repairs = Repairs(sessions, store, jobs)
        self._sweep = UploadSweep(sessions, store, jobs)
        self._reconciliation = Reconciliation(sessions, store, jobs)

    async def process(self, run: JobRun[MediaToProcess]) -> dict[str, Any]:
        """What became of the picture. A file that is not taken is a result, and no failure of the job."""
        drawing = Drawing(run, self._limits, kills=await self._kills(run))
        outcome = await self._processing.process(
            run.payload.media_id, transaction=run.transaction, render=drawing.draw
        )
        PROCESSED.labels(outcome["outcome"], outcome.get("reason", "")).inc()
        for how in ("made", "reused"):
            VARIANTS.labels(how).inc(outcome.get(how, 0))
        return outcome

    async def delete_objects(self, run: JobRun[ObjectsToDelete]) -> dict[str, int]:
        """How many objects are gone, and how many keys were in use again or not ours."""
        removal = await self._removal.remove(run.payload.keys)
        return {
            "removed": len(removal.removed),
            "in_use": len(removal.in_use),
            "foreign": len(removal.foreign),
        }

    async def delete_unused(self, run: JobRun[ContentLeft]) -> dict[str, int]:
        """How many variants went that no picture shows. Postponed while the content is being drawn."""
        keys = await self._repairs.remove_unused(run.payload.sha256)
        if keys is None:
            raise Postponed(_DRAWING_SECONDS, "variants of this content are being made")
        return {"unused": len(keys)}

    async def sweep(self, run: JobRun[MediaUpkeep]) -> dict[str, int]:
        """How many uploads went, and how many pictures have their job again."""
        show = partial(_show, run)
        resumed = await self._sweep.resume_stuck(show)
        return {"resumed": resumed, "abandoned": await self._sweep.remove_abandoned(show)}

    async def reconcile(self, run: JobRun[MediaUpkeep]) -> dict[str, Any]:
        """The report. Raises PermanentFailure when so much is missing that somebody has to look."""
        try:
            report = await self._reconciliation.run(partial(_show, run))
        except ImplausibleLoss as error:
            raise PermanentFailure(str(error)) from error
        _tell(run, report)
        shown: dict[str, Any] = msgspec.to_builtins(report)
        return shown

    async def _kills(self, run: JobRun[MediaToProcess]) -> int:
        return await earlier_kills(self._sessions, run) if run.attempt > 1 else 0


class Drawing:
    """Draws one picture's variants in a confined process of one run."""

    def __init__(self, run: JobRun[MediaToProcess], limits: Limits, *, kills: int) -> None:
        self._run = run
        self._limits = limits
        self._kills = kills

    async def draw(self, content: bytes, content_type: str, recipes: Recipes) -> Rendered | Refused:
        """Raises Killed, and LimitExceeded for the clock's sake, while trying again may still help."""
        question = encode_request(content, content_type, recipes)
        try:
            answer = decode_answer(await self._run.confined(render, question, self._limits))
        except LimitExceeded as error:
            # What a file takes too much of is memory and computing. Waiting was for a machine that had too
            # much else to do, or was stopped.
            if error.limit == "time" and self._may_try_again:
                raise
            return _beyond_limits(error.limit)
        except Crashed as error:
            log.warning("media_decoder_crashed", how=str(error))
            return Refused(Reason.DECODER_CRASHED.value, "The decoder crashed on the file.")
        except Killed:
            if self._may_try_again:
                raise
            return _beyond_limits("memory")
        except msgspec.MsgspecError:
            return _nonsense()
        names = [recipe.name for recipe in recipes]
        if isinstance(answer, Rendered) and [each.name for each in answer.variants] != names:
            return _nonsense()
        return answer

    @property
    def _may_try_again(self) -> bool:
        return self._kills + 1 < _MOST_KILLS


def limits_of(settings: MediaSettings) -> Limits:
    """What drawing one picture may take."""
    cpu = settings.media_decode_cpu_seconds
    return Limits(
        memory_bytes=settings.media_decode_memory_mib * 1024 * 1024,
        cpu_seconds=cpu,
        wall_seconds=min(cpu * _WALL_PER_CPU_SECOND, _LONGEST_WALL_SECONDS),
    )


async def earlier_kills(sessions: Sessions, run: JobRun[Any]) -> int:
    """How many runs of this job ended because somebody killed the process, or the clock did. Outages count
    for nothing here.
    """
    async with sessions() as session:
        history = await session.scalar(select(Job.history).where(Job.job_id == run.job.job_id))
    return sum(str(turn["error"]).startswith(_KILLED) for turn in history or ())


def _beyond_limits(limit: str) -> Refused:
    return Refused(Reason.LIMIT_EXCEEDED.value, f"Decoding the file takes more {limit} than a picture may.")


def _nonsense() -> Refused:
    # A file that got hold of its process can do no more than this.
    log.error("media_decoder_answered_nonsense")
    return Refused(Reason.DECODER_CRASHED.value, "The decoder crashed on the file.")


async def _show(run: JobRun[Any], count: int, what: str) -> None:
    await run.progress(count, note=what)


def _tell(run: JobRun[Any], report: Report) -> None:
    for kind in ("orphans", "lost_renditions", "lost_originals", "foreign"):
        found = getattr(report, kind)
        DIFFERENCES.labels(kind).set(found.count)
        if found.count:
            run.log(f"{kind}: {found.count}, first {', '.join(found.keys[:_SHOWN_KEYS])}")
