"""The tables of the media domain. What a row means to the outside lives in `media`."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from server.db.metadata import Base

# Byte order, as in the listings of a store: the two are compared.
_C_TEXT = Text(collation="C")
_INSTANT = TIMESTAMP(timezone=True)


class MediaRow(Base):
    """One picture. `declared_*` is what the uploader said, `sha256` and the sizes what was found."""

    __tablename__ = "media"
    __table_args__ = (
        CheckConstraint("status IN ('PENDING', 'PROCESSING', 'READY', 'REJECTED')", name="status"),
        CheckConstraint("(status = 'REJECTED') = (reason IS NOT NULL)", name="reason"),
        Index("uq_media_key", "key", unique=True),
        Index("ix_media_entity", "entity_type", "entity_id", "media_id"),
        Index("ix_media_sha256", "sha256", postgresql_where=text("sha256 IS NOT NULL")),
        # What the sweeps look for: uploads and work that never ended.
        Index(
            "ix_media_unfinished",
            "updated_at",
            postgresql_where=text("status IN ('PENDING', 'PROCESSING')"),
        ),
    )

    media_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    entity_type: Mapped[str] = mapped_column(_C_TEXT)
    entity_id: Mapped[str] = mapped_column(_C_TEXT)
    key: Mapped[str] = mapped_column(_C_TEXT)
    filename: Mapped[str] = mapped_column(Text)
    content_type: Mapped[str] = mapped_column(Text)
    declared_bytes: Mapped[int] = mapped_column(Integer)
    declared_sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    status: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    reason_detail: Mapped[str | None] = mapped_column(Text)
    # The recipes that were asked for, resolved; empty until the first call.
    wanted: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    sha256: Mapped[bytes | None] = mapped_column(
        LargeBinary, ForeignKey("media_contents.sha256", name="fk_media_sha256_media_contents")
    )
    created_at: Mapped[datetime] = mapped_column(_INSTANT, server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(_INSTANT, server_default=func.now())


class ContentRow(Base):
    """What is known of some bytes, whichever pictures have them. Pixels after EXIF orientation."""

    __tablename__ = "media_contents"

    sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    thumbhash: Mapped[bytes] = mapped_column(LargeBinary)
    dominant_color: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(_INSTANT, server_default=func.now())


class RenditionRow(Base):
    """A finished variant of some bytes: its object is in the store. Shared by pictures of the same bytes."""

    __tablename__ = "media_renditions"
    __table_args__ = (
        ForeignKeyConstraint(
            ["sha256"], ["media_contents.sha256"], name="fk_media_renditions_sha256_media_contents"
        ),
    )

    # Tells content, name and recipe.
    key: Mapped[str] = mapped_column(_C_TEXT, primary_key=True)
    sha256: Mapped[bytes] = mapped_column(LargeBinary, index=True)
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    bytes: Mapped[int] = mapped_column(Integer)
    format: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(_INSTANT, server_default=func.now())


class VariantRow(Base):
    """A picture has this rendition under this name; `position` is its place in the list."""

    __tablename__ = "media_variants"
    __table_args__ = (
        ForeignKeyConstraint(
            ["media_id"], ["media.media_id"], name="fk_media_variants_media_id_media", ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["key"], ["media_renditions.key"], name="fk_media_variants_key_media_renditions"
        ),
    )

    media_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(_C_TEXT, primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger)
    key: Mapped[str] = mapped_column(_C_TEXT, index=True)
