"""The products table."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "0001_catalog"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    c_text = sa.Text(collation="C")
    instant = TIMESTAMP(timezone=True)
    op.create_table(
        "products",
        sa.Column("product_id", c_text, nullable=False),
        sa.Column("slug", c_text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("brand", c_text, nullable=False),
        sa.Column("variants", JSONB, nullable=False),
        sa.Column("categories", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("tags", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("attributes", JSONB, nullable=False),
        sa.Column("ean", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("image_media_ids", sa.ARRAY(sa.Uuid), nullable=False),
        sa.Column("popularity", sa.Double, nullable=False),
        sa.Column("released_at", instant, nullable=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("content_hash", sa.LargeBinary, nullable=False),
        sa.Column("created_at", instant, nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", instant, nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("product_id", name="pk_products"),
        sa.CheckConstraint("status IN ('ACTIVE', 'DRAFT', 'ARCHIVED')", name="ck_products_status"),
        sa.CheckConstraint("version >= 1", name="ck_products_version"),
    )
    op.create_index("uq_products_slug", "products", ["slug"], unique=True)
    op.create_index("ix_products_status", "products", ["status", "product_id"])
    op.create_index("ix_products_brand", "products", ["brand", "product_id"])


def downgrade() -> None:
    op.drop_table("products")
