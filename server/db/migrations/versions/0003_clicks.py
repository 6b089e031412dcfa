"""Adds raw clicks by day, their rollups, and the dead letters of the streams.

Days' partitions are made by the drain, which knows the days it needs.

Revision ID: 0003_clicks
Revises: 0002_affiliate
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_clicks"
down_revision = "0002_affiliate"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clicks",
        sa.Column("click_id", sa.Uuid(), nullable=False),
        sa.Column("link_id", sa.Uuid(), nullable=False),
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("clicked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_human", sa.Boolean(), nullable=False),
        sa.Column("is_unique", sa.Boolean(), nullable=False),
        sa.Column("visitor", sa.LargeBinary(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=True),
        sa.Column("referrer_host", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("click_id", name="pk_clicks"),
        postgresql_partition_by="RANGE (click_id)",
    )
    op.create_table(
        "link_click_rollups",
        sa.Column("link_id", sa.Uuid(), nullable=False),
        sa.Column("bucket_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("human_clicks", sa.BigInteger(), nullable=False),
        sa.Column("unique_clicks", sa.BigInteger(), nullable=False),
        sa.Column("bot_clicks", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("link_id", "bucket_start", name="pk_link_click_rollups"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "stream_dead_letters",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("died_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "entry_id", name="pk_stream_dead_letters"),
    )


def downgrade() -> None:
    op.drop_table("stream_dead_letters")
    op.drop_table("link_click_rollups")
    op.drop_table("clicks")
