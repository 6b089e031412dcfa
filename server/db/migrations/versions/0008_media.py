"""Adds pictures, what is known of their content, and their variants.

Revision ID: 0008_media
Revises: 0007_dashboard
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008_media"
down_revision = "0007_dashboard"
branch_labels = None
depends_on = None

_C_TEXT = sa.Text(collation="C")
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "media_contents",
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("thumbhash", sa.LargeBinary(), nullable=False),
        sa.Column("dominant_color", sa.Text(), nullable=False),
        sa.Column("created_at", _INSTANT, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_media_contents"),
    )
    _create_media()
    op.create_table(
        "media_renditions",
        sa.Column("key", _C_TEXT, nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("created_at", _INSTANT, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_media_renditions"),
        sa.ForeignKeyConstraint(
            ["sha256"], ["media_contents.sha256"], name="fk_media_renditions_sha256_media_contents"
        ),
    )
    op.create_index("ix_media_renditions_sha256", "media_renditions", ["sha256"])
    op.create_table(
        "media_variants",
        sa.Column("media_id", sa.Uuid(), nullable=False),
        sa.Column("name", _C_TEXT, nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("key", _C_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("media_id", "name", name="pk_media_variants"),
        sa.ForeignKeyConstraint(
            ["media_id"], ["media.media_id"], name="fk_media_variants_media_id_media", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["key"], ["media_renditions.key"], name="fk_media_variants_key_media_renditions"
        ),
    )
    op.create_index("ix_media_variants_key", "media_variants", ["key"])


def _create_media() -> None:
    op.create_table(
        "media",
        sa.Column("media_id", sa.Uuid(), nullable=False),
        sa.Column("entity_type", _C_TEXT, nullable=False),
        sa.Column("entity_id", _C_TEXT, nullable=False),
        sa.Column("key", _C_TEXT, nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("declared_bytes", sa.Integer(), nullable=False),
        sa.Column("declared_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("reason_detail", sa.Text(), nullable=True),
        sa.Column("wanted", JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", _INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", _INSTANT, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("media_id", name="pk_media"),
        sa.ForeignKeyConstraint(["sha256"], ["media_contents.sha256"], name="fk_media_sha256_media_contents"),
        sa.CheckConstraint("status IN ('PENDING', 'PROCESSING', 'READY', 'REJECTED')", name="status"),
        sa.CheckConstraint("(status = 'REJECTED') = (reason IS NOT NULL)", name="reason"),
    )
    op.create_index("uq_media_key", "media", ["key"], unique=True)
    op.create_index("ix_media_entity", "media", ["entity_type", "entity_id", "media_id"])
    op.create_index("ix_media_sha256", "media", ["sha256"], postgresql_where=sa.text("sha256 IS NOT NULL"))
    op.create_index(
        "ix_media_unfinished",
        "media",
        ["updated_at"],
        postgresql_where=sa.text("status IN ('PENDING', 'PROCESSING')"),
    )


def downgrade() -> None:
    for table in ("media_variants", "media_renditions", "media", "media_contents"):
        op.drop_table(table)
