"""Enqueues what schedules say is due, each due time once, whoever else does the same at the same moment."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import DateTime, Text, Uuid, bindparam, column, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs
from server.jobs.schedules import Outcome, Schedule, by_name, decide

log = structlog.get_logger(__name__)

# Of all schedules in one tick, so that a long outage does not bury the queues at once.
MAX_FIRES: Final = 100
# Due times of one schedule decided in one transaction; skipping is cheap.
MAX_DECISIONS: Final = 1_000

_CLOCK_TRUST: Final = timedelta(hours=1)

_INSTANT = DateTime(timezone=True)

# What was due before a schedule was first seen is not missed: nobody had promised it.
_MEET = text("""
    INSERT INTO job_schedules (name, last_due_at)
    SELECT met.name, :now FROM unnest(:names) AS met (name)
    ON CONFLICT (name) DO UPDATE SET last_due_at = excluded.last_due_at
        WHERE job_schedules.last_due_at > excluded.last_due_at + interval '1 hour'
""").bindparams(bindparam("now", type_=_INSTANT), bindparam("names", type_=ARRAY(Text)))

# Only a clock that was wrong can have skipped what is still to come.
_UNSKIP = text("""
    DELETE FROM job_schedule_runs WHERE name = ANY(:names) AND outcome = 'SKIPPED' AND due_at > :now
""").bindparams(bindparam("now", type_=_INSTANT), bindparam("names", type_=ARRAY(Text)))

_DECIDED = text(
    "SELECT name, last_due_at FROM job_schedules WHERE name = ANY(:names)"
).bindparams(bindparam("names", type_=ARRAY(Text)))  # fmt: skip

# Somebody who is at it may be frozen with the row in hand: the next tick finds out.
_LOCK = (
    text("SELECT last_due_at FROM job_schedules WHERE name = :name FOR UPDATE SKIP LOCKED")
    .columns(column("last_due_at", _INSTANT))
)  # fmt: skip

_ADVANCE = text("UPDATE job_schedules SET last_due_at = :due_at WHERE name = :name").bindparams(
    bindparam("due_at", type_=_INSTANT)
)

# The lock above is a courtesy. That a due time is fired once is the primary key's promise.
_NOTE = (
    text("""
        INSERT INTO job_schedule_runs (name, due_at, outcome)
        SELECT :name, decided.due_at, decided.outcome
        FROM unnest(:due_at, :outcomes) AS decided (due_at, outcome)
        ON CONFLICT (name, due_at) DO NOTHING
        RETURNING due_at, outcome
    """)
    .bindparams(
        bindparam("name", type_=Text),
        bindparam("due_at", type_=ARRAY(_INSTANT)),
        bindparam("outcomes", type_=ARRAY(Text)),
    )
    .columns(column("due_at", _INSTANT), column("outcome", Text))
)

_NOTE_JOB = text("""
    UPDATE job_schedule_runs SET job_id = :job_id WHERE name = :name AND due_at = :due_at
""").bindparams(bindparam("job_id", type_=Uuid), bindparam("due_at", type_=_INSTANT))


@dataclass(frozen=True, slots=True)
class Fired:
    """What one round came to, by schedule: runs enqueued, due times skipped, rounds that failed.

    `more`: due times wait that this round had no room for.
    """

    fired: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    more: bool = False


class ScheduleFiring:
    """Constructor: sessions, what enqueues, and the schedules. Raises ValueError for a name given twice.

    It remembers when each schedule is due next, so a round with nothing due asks PostgreSQL nothing.
    """

    def __init__(self, sessions: Sessions, jobs: Jobs, schedules: Iterable[Schedule[Any]]) -> None:
        self._sessions = sessions
        self._jobs = jobs
        self._schedules = by_name(schedules)
        self._next: dict[str, datetime | None] = {}
        self._seen = datetime.min.replace(tzinfo=UTC) + _CLOCK_TRUST

    def forget(self) -> None:
        """Ask PostgreSQL again how far each schedule is, after it was away or another scheduler acted."""
        self._next.clear()

    async def fire_due(self, now: datetime) -> Fired:
        """Decide what became due by `now`: at most 100 runs are enqueued, the rest waits for the next round.

        A schedule that cannot be fired is logged and tried again next time, and keeps no other waiting.
        """
        if now < self._seen - _CLOCK_TRUST:
            self.forget()  # the clock went back: what was decided by the wrong one is not the future
        self._seen = now
        await self._meet(now)
        round_ = Fired()
        more = False
        due = self._due(now)
        for place, name in enumerate(due):
            # A share for each: the backlog of one must not make another late.
            room = max(1, (MAX_FIRES - round_.fired.total()) // (len(due) - place))
            try:
                more |= await self._fire(self._schedules[name], now, room, round_)
            except SQLAlchemyError as error:
                round_.failed[name] += 1
                log.warning("schedule_not_fired", schedule=name, error=f"{type(error).__name__}: {error}")
        return Fired(round_.fired, round_.skipped, round_.failed, more)

    def _due(self, now: datetime) -> list[str]:
        waiting = [(due, name) for name, due in self._next.items() if due is not None and due <= now]
        return [name for _, name in sorted(waiting)]

    async def _meet(self, now: datetime) -> None:
        unknown = [name for name in self._schedules if name not in self._next]
        if not unknown:
            return
        async with self._sessions.begin() as session:
            await session.execute(_MEET, {"names": unknown, "now": now})
            await session.execute(_UNSKIP, {"names": unknown, "now": now})
            decided = (await session.execute(_DECIDED, {"names": unknown})).all()
        for name, last_due_at in decided:
            self._next[name] = self._schedules[name].next_after(last_due_at)

    async def _fire(self, schedule: Schedule[Any], now: datetime, room: int, round_: Fired) -> bool:
        """Decide one schedule's due times in one transaction; whether some had no room."""
        async with self._sessions.begin() as session:
            last = (await session.execute(_LOCK, {"name": schedule.name})).scalar_one_or_none()
            if last is None:
                del self._next[schedule.name]
                return False
            due = schedule.due_between(last, now, limit=MAX_DECISIONS + 1)
            decided, more = _within(schedule, due, now, room)
            noted = await self._note(session, schedule, decided)
            if decided:
                last = decided[-1][0]
                await session.execute(_ADVANCE, {"name": schedule.name, "due_at": last})
        self._next[schedule.name] = schedule.next_after(last)
        round_.fired[schedule.name] += noted[Outcome.FIRED]
        round_.skipped[schedule.name] += noted[Outcome.SKIPPED]
        return more

    async def _note(
        self, session: AsyncSession, schedule: Schedule[Any], decided: Sequence[tuple[datetime, Outcome]]
    ) -> Mapping[str, int]:
        values = {
            "name": schedule.name,
            "due_at": [due_at for due_at, _ in decided],
            "outcomes": [outcome.value for _, outcome in decided],
        }
        ours = (await session.execute(_NOTE, values)).all() if decided else []
        for due_at, outcome in sorted(ours):
            if outcome == Outcome.FIRED:
                job_id: uuid.UUID = await self._jobs.enqueue(session, schedule.task, schedule.payload)
                run = {"name": schedule.name, "due_at": due_at, "job_id": job_id}
                await session.execute(_NOTE_JOB, run)
        return Counter(outcome for _, outcome in ours)


def _within(
    schedule: Schedule[Any], due: Sequence[datetime], now: datetime, room: int
) -> tuple[list[tuple[datetime, Outcome]], bool]:
    """The decisions that this round has room for, and whether there are more."""
    decided = decide(schedule.missed, due[:MAX_DECISIONS], now, more=len(due) > MAX_DECISIONS)
    fires = 0
    for place, (_, outcome) in enumerate(decided):
        fires += outcome is Outcome.FIRED
        if fires > room:
            return decided[:place], True
    return decided, len(due) > MAX_DECISIONS
