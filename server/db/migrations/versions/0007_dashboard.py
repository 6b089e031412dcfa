"""Keeps leading products in order, and days of the shop's time zone, for the dashboard.

Days and weeks are to be summed up again: more tables have hours and weeks from now on.

Revision ID: 0007_dashboard
Revises: 0006_events
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007_dashboard"
down_revision = "0006_events"
branch_labels = None
depends_on = None

_HOUR = 60
_WEEK = 10_080
_WITH_HOURS = ("event_type_rollups", "click_rollups")
_WITH_WEEKS = (
    "event_visitor_rollups",
    "event_source_rollups",
    "event_device_rollups",
    "event_country_rollups",
)


def upgrade() -> None:
    op.create_index(
        "ix_product_rollups_most_viewed",
        "product_rollups",
        ["span_minutes", "bucket_start", sa.text("views DESC")],
        postgresql_include=["product_id"],
        postgresql_where=sa.text("span_minutes >= 1440"),
    )
    op.create_table(
        "event_local_days",
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", postgresql.ARRAY(sa.DateTime(timezone=True)), nullable=False),
        sa.Column("visitors", sa.LargeBinary()),
        sa.Column("sessions", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("starts_at", "ends_at", name="pk_event_local_days"),
    )
    op.execute("DELETE FROM rollup_closings")


def downgrade() -> None:
    for name in _WITH_HOURS:
        op.execute(f"DELETE FROM {name} WHERE span_minutes = {_HOUR}")  # noqa: S608 - constants of ours
    for name in _WITH_WEEKS:
        op.execute(f"DELETE FROM {name} WHERE span_minutes = {_WEEK}")  # noqa: S608 - constants of ours
    op.drop_table("event_local_days")
    op.drop_index("ix_product_rollups_most_viewed")
