"""The products table. What a row means to the outside lives in `product`."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Double, Index, LargeBinary, Text, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from server.db.metadata import Base

# Byte order, whatever the cluster's locale: keyset pages must not depend on it.
_C_TEXT = Text(collation="C")
_INSTANT = TIMESTAMP(timezone=True)


class ProductRow(Base):
    """One product with everything it has; parts that are only read with it are JSON inside the row."""

    __tablename__ = "products"
    __table_args__ = (
        CheckConstraint("status IN ('ACTIVE', 'DRAFT', 'ARCHIVED')", name="status"),
        CheckConstraint("version >= 1", name="version"),
        Index("uq_products_slug", "slug", unique=True),
        Index("ix_products_status", "status", "product_id"),
        Index("ix_products_brand", "brand", "product_id"),
    )

    product_id: Mapped[str] = mapped_column(_C_TEXT, primary_key=True)
    slug: Mapped[str] = mapped_column(_C_TEXT)
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    brand: Mapped[str] = mapped_column(_C_TEXT)
    variants: Mapped[list[list[Any]]] = mapped_column(JSONB)
    categories: Mapped[list[str]] = mapped_column(ARRAY(Text))
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    attributes: Mapped[list[list[str]]] = mapped_column(JSONB)
    ean: Mapped[list[str]] = mapped_column(ARRAY(Text))
    image_media_ids: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(Uuid))
    popularity: Mapped[float] = mapped_column(Double)
    released_at: Mapped[datetime | None] = mapped_column(_INSTANT)
    version: Mapped[int] = mapped_column(BigInteger)
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(_INSTANT, server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(_INSTANT, server_default=func.now())
