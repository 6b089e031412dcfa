"""Adds the job queue: jobs, paused queues, the ledger, schedules and the scheduler's lease.

Revision ID: 0004_jobs
Revises: 0003_clicks
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004_jobs"
down_revision = "0003_clicks"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)
_NOW = sa.func.clock_timestamp()


def upgrade() -> None:
    _create_jobs()
    op.create_table(
        "job_queues",
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("paused_at", _INSTANT, nullable=True),
        sa.Column("paused_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("queue", name="pk_job_queues"),
    )
    op.create_table(
        "job_ledger",
        sa.Column("entry_id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("hour", _INSTANT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name="pk_job_ledger"),
        sa.CheckConstraint("kind IN ('ENQUEUED', 'FINISHED', 'REOPENED', 'PRUNED')", name="kind"),
        sa.CheckConstraint("jobs > 0", name="jobs"),
    )
    op.create_index("ix_job_ledger_hour", "job_ledger", ["hour"])
    op.create_table(
        "job_schedules",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("last_due_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_job_schedules"),
    )
    op.create_table(
        "job_schedule_runs",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("due_at", _INSTANT, nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", "due_at", name="pk_job_schedule_runs"),
        sa.CheckConstraint("outcome IN ('FIRED', 'SKIPPED')", name="outcome"),
    )
    op.create_table(
        "scheduler_lease",
        sa.Column("lease_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("held_until", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("lease_id", name="pk_scheduler_lease"),
        sa.CheckConstraint("lease_id = 1", name="only_one"),
    )


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("payload", JSONB(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("unique_key", sa.Text(), nullable=True),
        sa.Column("run_at", _INSTANT, server_default=_NOW, nullable=False),
        sa.Column("enqueued_at", _INSTANT, server_default=_NOW, nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("expiries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("started_at", _INSTANT, nullable=True),
        sa.Column("lease_until", _INSTANT, nullable=True),
        sa.Column("finished_at", _INSTANT, nullable=True),
        sa.Column("cancel_requested_at", _INSTANT, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("traceback", sa.Text(), nullable=True),
        sa.Column("history", JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("log", JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("result", JSONB(), nullable=True),
        sa.Column("progress_done", sa.BigInteger(), nullable=True),
        sa.Column("progress_total", sa.BigInteger(), nullable=True),
        sa.Column("progress_note", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("job_id", name="pk_jobs"),
        sa.CheckConstraint(
            "state IN ('SCHEDULED', 'READY', 'RUNNING', 'RETRYING', 'DONE', 'DEAD', 'CANCELLED')",
            name="state",
        ),
        sa.CheckConstraint("(state = 'RUNNING') = (lease_until IS NOT NULL)", name="lease"),
        sa.CheckConstraint(
            "(state IN ('DONE', 'DEAD', 'CANCELLED')) = (finished_at IS NOT NULL)", name="finished"
        ),
        # Every job is written three times or more; vacuum has to keep up with the dead versions.
        postgresql_with={"autovacuum_vacuum_scale_factor": 0.02, "autovacuum_vacuum_cost_delay": 1},
    )
    op.create_index(
        "ix_jobs_ready",
        "jobs",
        ["queue", sa.text("(expiries > 0)"), sa.text("priority DESC"), "run_at", "job_id"],
        postgresql_where=sa.text("state = 'READY'"),
    )
    op.create_index(
        "ix_jobs_due", "jobs", ["run_at"], postgresql_where=sa.text("state IN ('SCHEDULED', 'RETRYING')")
    )
    op.create_index("ix_jobs_lease", "jobs", ["lease_until"], postgresql_where=sa.text("state = 'RUNNING'"))
    op.create_index(
        "uq_jobs_unique_key",
        "jobs",
        ["task", "unique_key"],
        unique=True,
        postgresql_where=sa.text(
            "unique_key IS NOT NULL AND attempt = 0 AND state IN ('SCHEDULED', 'READY')"
        ),
    )
    op.create_index(
        "ix_jobs_finished",
        "jobs",
        ["queue", "finished_at"],
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )
    op.create_index("ix_jobs_queue", "jobs", ["queue", "job_id"])
    op.create_index("ix_jobs_state", "jobs", ["state", "job_id"])
    op.create_index("ix_jobs_task", "jobs", ["task", "job_id"])


def downgrade() -> None:
    for table in (
        "scheduler_lease",
        "job_schedule_runs",
        "job_schedules",
        "job_ledger",
        "job_queues",
        "jobs",
    ):
        op.drop_table(table)
