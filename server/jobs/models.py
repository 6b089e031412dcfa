"""The tables of the queue: jobs, paused queues, the ledger that proves nothing was lost, and schedules."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Index,
    Integer,
    SmallInteger,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from server.db.metadata import Base


class JobState(StrEnum):
    """Where a job is. SCHEDULED, READY, RUNNING and RETRYING are open; the others are finished."""

    SCHEDULED = "SCHEDULED"
    READY = "READY"
    RUNNING = "RUNNING"
    RETRYING = "RETRYING"
    DONE = "DONE"
    DEAD = "DEAD"
    CANCELLED = "CANCELLED"


OPEN = (JobState.SCHEDULED, JobState.READY, JobState.RUNNING, JobState.RETRYING)
FINISHED = (JobState.DONE, JobState.DEAD, JobState.CANCELLED)

_NOW = func.clock_timestamp()


class Job(Base):
    """One piece of work. `attempt` is the fencing token: it grows with every claim and never falls."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(
            "state IN ('SCHEDULED', 'READY', 'RUNNING', 'RETRYING', 'DONE', 'DEAD', 'CANCELLED')",
            name="state",
        ),
        CheckConstraint("(state = 'RUNNING') = (lease_until IS NOT NULL)", name="lease"),
        CheckConstraint(
            "(state IN ('DONE', 'DEAD', 'CANCELLED')) = (finished_at IS NOT NULL)", name="finished"
        ),
        # Claims, in order; the expression keeps jobs apart that were running when a worker died.
        Index(
            "ix_jobs_ready",
            "queue",
            text("(expiries > 0)"),
            text("priority DESC"),
            "run_at",
            "job_id",
            postgresql_where=text("state = 'READY'"),
        ),
        Index("ix_jobs_due", "run_at", postgresql_where=text("state IN ('SCHEDULED', 'RETRYING')")),
        Index("ix_jobs_lease", "lease_until", postgresql_where=text("state = 'RUNNING'")),
        # A job that was never started takes later ones of the same key into itself.
        Index(
            "uq_jobs_unique_key",
            "task",
            "unique_key",
            unique=True,
            postgresql_where=text(
                "unique_key IS NOT NULL AND attempt = 0 AND state IN ('SCHEDULED', 'READY')"
            ),
        ),
        Index("ix_jobs_finished", "queue", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
        # Lists by one of the filters, newest first.
        Index("ix_jobs_queue", "queue", "job_id"),
        Index("ix_jobs_state", "state", "job_id"),
        Index("ix_jobs_task", "task", "job_id"),
    )

    job_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    task: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer)
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    queue: Mapped[str] = mapped_column(Text)
    # Higher goes first within a queue.
    priority: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    state: Mapped[str] = mapped_column(Text)
    unique_key: Mapped[str | None] = mapped_column(Text)
    run_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)
    enqueued_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)
    attempt: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    # Since the job was enqueued or last retried by hand: what the retry policy and the poison rule count.
    failures: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    expiries: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    worker: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    cancel_requested_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    error: Mapped[str | None] = mapped_column(Text)
    traceback: Mapped[str | None] = mapped_column(Text)
    # The newest 50 turns that did not end well: attempt, outcome, worker, started_at, ended_at, error.
    history: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    # The newest 200 lines that the handler wrote: at, attempt, line.
    log: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    result: Mapped[Any | None] = mapped_column(JSONB)
    progress_done: Mapped[int | None] = mapped_column(BigInteger)
    progress_total: Mapped[int | None] = mapped_column(BigInteger)
    progress_note: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str | None] = mapped_column(Text)


class QueueState(Base):
    """What an operator said of a queue; queues nobody spoke of have no row."""

    __tablename__ = "job_queues"

    queue: Mapped[str] = mapped_column(Text, primary_key=True)
    paused_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    paused_by: Mapped[str | None] = mapped_column(Text)


class LedgerEntry(Base):
    """So many jobs, enqueued in this hour, came, ended, came back or were pruned. Rows are only added."""

    __tablename__ = "job_ledger"
    __table_args__ = (
        CheckConstraint("kind IN ('ENQUEUED', 'FINISHED', 'REOPENED', 'PRUNED')", name="kind"),
        # Nothing is taken back: a difference is explained by a line more, not hidden by one less.
        CheckConstraint("jobs > 0", name="jobs"),
        Index("ix_job_ledger_hour", "hour"),
    )

    entry_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    queue: Mapped[str] = mapped_column(Text)
    # The hour in which the jobs were enqueued, whenever they ended.
    hour: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    kind: Mapped[str] = mapped_column(Text)
    jobs: Mapped[int] = mapped_column(BigInteger)


class ScheduleState(Base):
    """Up to which instant a schedule's due times were decided."""

    __tablename__ = "job_schedules"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    last_due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ScheduleRun(Base):
    """A due time and what was decided; being unique, it lets any number of schedulers fire once."""

    __tablename__ = "job_schedule_runs"
    __table_args__ = (CheckConstraint("outcome IN ('FIRED', 'SKIPPED')", name="outcome"),)

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    job_id: Mapped[UUID | None] = mapped_column(Uuid)
    outcome: Mapped[str] = mapped_column(Text)


class SchedulerLease(Base):
    """Which scheduler acts, and until when."""

    __tablename__ = "scheduler_lease"
    __table_args__ = (CheckConstraint("lease_id = 1", name="only_one"),)

    lease_id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    holder: Mapped[str] = mapped_column(Text)
    held_until: Mapped[datetime] = mapped_column(DateTime(timezone=True))
