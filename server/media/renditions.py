"""What is asked of PostgreSQL while variants are made: the work, what is there already, and the endings.

Decides nothing. Whatever touches renditions is called with the content locked; see `content_lock`.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from server.media.media import Content, MediaStatus, StoredVariant
from server.media.models import ContentRow, MediaRow, RenditionRow, VariantRow
from server.media.recipes import Recipes

_ALLOW_SECONDS = text("""
    SELECT set_config('statement_timeout', :milliseconds, true),
        set_config('idle_in_transaction_session_timeout', :milliseconds, true)
""")


@dataclass(frozen=True, slots=True)
class Work:
    """A picture as far as making its variants goes. `sha256` is None until it was READY once."""

    media_id: uuid.UUID
    key: str
    content_type: str
    declared_bytes: int
    declared_sha256: bytes | None
    sha256: bytes | None
    status: MediaStatus
    wanted: Recipes


async def find_work(session: AsyncSession, media_id: uuid.UUID, *, lock: bool = False) -> Work | None:
    """The picture; None when there is none (any more). With `lock` nobody else writes it until the end."""
    query = select(MediaRow).where(MediaRow.media_id == media_id)
    row = await session.scalar(query.with_for_update() if lock else query)
    return None if row is None else _work(row)


def _work(row: MediaRow) -> Work:
    return Work(
        media_id=row.media_id,
        key=row.key,
        content_type=row.content_type,
        declared_bytes=row.declared_bytes,
        declared_sha256=row.declared_sha256,
        sha256=row.sha256,
        status=MediaStatus(row.status),
        wanted=msgspec.convert(row.wanted, Recipes),
    )


async def allow_seconds(session: AsyncSession, seconds: float) -> None:
    """Lets this transaction wait and pause for so long: it waits for a lock, and stays open while we draw."""
    await session.execute(_ALLOW_SECONDS, {"milliseconds": str(int(seconds * 1000))})


async def originals_of(session: AsyncSession, sha256: bytes, *, limit: int) -> Sequence[str]:
    """Keys of pictures that had these bytes, newest first."""
    query = (
        select(MediaRow.key).where(MediaRow.sha256 == sha256).order_by(MediaRow.media_id.desc()).limit(limit)
    )
    return (await session.scalars(query)).all()


async def is_known(session: AsyncSession, sha256: bytes) -> bool:
    """Whether these bytes were taken before, and what is in them is known."""
    return await session.scalar(select(ContentRow.sha256).where(ContentRow.sha256 == sha256)) is not None


async def finished_keys(session: AsyncSession, sha256: bytes) -> set[str]:
    """Of all variants of these bytes, in whichever recipes."""
    return set(await session.scalars(select(RenditionRow.key).where(RenditionRow.sha256 == sha256)))


async def add_renditions(session: AsyncSession, content: Content, added: Collection[StoredVariant]) -> None:
    """Variants whose objects are in the store, and what is known of the bytes; those there already stay."""
    known = {name: getattr(content, name) for name in Content.__slots__}
    await session.execute(upsert(ContentRow).values(known).on_conflict_do_nothing())
    if added:
        rows = [_rendition(content.sha256, variant) for variant in added]
        await session.execute(upsert(RenditionRow).values(rows).on_conflict_do_nothing())


def _rendition(sha256: bytes, variant: StoredVariant) -> dict[str, Any]:
    return {
        "key": variant.key,
        "sha256": sha256,
        "width": variant.width,
        "height": variant.height,
        "bytes": variant.bytes,
        "format": variant.format,
    }


async def make_ready(
    session: AsyncSession, media_id: uuid.UUID, sha256: bytes, variants: Sequence[tuple[str, str]]
) -> None:
    """READY with exactly these variants, names and keys, in this order."""
    await session.execute(delete(VariantRow).where(VariantRow.media_id == media_id))
    rows = [
        {"media_id": media_id, "name": name, "position": position, "key": key}
        for position, (name, key) in enumerate(variants)
    ]
    if rows:
        await session.execute(insert(VariantRow), rows)
    await _set(session, media_id, status=MediaStatus.READY, sha256=sha256)


async def make_pending(session: AsyncSession, media_id: uuid.UUID) -> None:
    """As before anything was uploaded."""
    await _set(session, media_id, status=MediaStatus.PENDING)


async def want_only(session: AsyncSession, media_id: uuid.UUID, recipes: Recipes) -> None:
    """Forgets the other recipes, which cannot be made any more."""
    await _set(session, media_id, wanted=msgspec.to_builtins(recipes))


async def _set(session: AsyncSession, media_id: uuid.UUID, **values: Any) -> None:
    await session.execute(
        update(MediaRow)
        .where(MediaRow.media_id == media_id)
        .values(updated_at=func.now(), **values)
        .execution_options(synchronize_session=False)
    )
