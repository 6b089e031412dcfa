"""The media tables as the service asks of them. Workers have statements of their own."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
from sqlalchemy import Row, Select, Uuid, bindparam, delete, exists, func, insert, select, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from server.media.media import Content, MediaStatus, Reason, Rejection, StoredMedia, StoredVariant
from server.media.models import ContentRow, MediaRow, RenditionRow, VariantRow
from server.media.recipes import Recipes

# As JSON, so that a page of pictures with their variants is one statement, and one snapshot.
_variants = (
    select(
        func.jsonb_agg(
            aggregate_order_by(
                func.jsonb_build_array(
                    VariantRow.name,
                    RenditionRow.key,
                    RenditionRow.width,
                    RenditionRow.height,
                    RenditionRow.bytes,
                    RenditionRow.format,
                ),
                VariantRow.position,
            ),
            type_=JSONB(),
        )
    )
    .join(RenditionRow, RenditionRow.key == VariantRow.key)
    .where(VariantRow.media_id == MediaRow.media_id)
    .correlate(MediaRow)
    .scalar_subquery()
)
_MEDIA = select(MediaRow, ContentRow, _variants.label("variants")).outerjoin(
    ContentRow, ContentRow.sha256 == MediaRow.sha256
)

# With content that is known, of which variants are listed.
_SHOWN = (MediaStatus.READY.value, MediaStatus.PROCESSING.value)


@dataclass(frozen=True, slots=True)
class NewMedia:
    """What an uploader said of a picture, and what we made of it. `declared_bytes` is a length."""

    media_id: uuid.UUID
    entity_type: str
    entity_id: str
    key: str
    filename: str
    content_type: str
    declared_bytes: int
    declared_sha256: bytes | None


@dataclass(frozen=True, slots=True)
class DeletedMedia:
    """What a picture left behind: its original's key, and its content when that was known."""

    key: str
    sha256: bytes | None


class MediaRepository:
    """Named queries over one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, new: NewMedia) -> None:
        """Records a picture of which nothing is known but what its uploader said."""
        await self._session.execute(
            insert(MediaRow).values(**asdict(new), status=MediaStatus.PENDING.value, wanted=[])
        )

    async def find(self, media_id: uuid.UUID) -> StoredMedia | None:
        """One picture, or None."""
        return await self._one(_MEDIA.where(MediaRow.media_id == media_id))

    async def read(self, media_id: uuid.UUID) -> StoredMedia:
        """One picture that must be there, because this transaction locked it."""
        [media] = await self._all(_MEDIA.where(MediaRow.media_id == media_id))
        return media

    async def find_by_key(self, key: str) -> StoredMedia | None:
        """The picture whose original has this key, or None."""
        return await self._one(_MEDIA.where(MediaRow.key == key))

    async def lock(self, media_id: uuid.UUID) -> StoredMedia | None:
        """One picture that nobody else changes before this transaction ends, or None."""
        # Two statements: one would see the variants as they were before it waited for the lock.
        await self._session.execute(
            select(MediaRow.media_id).where(MediaRow.media_id == media_id).with_for_update()
        )
        return await self.find(media_id)

    async def status(self, media_id: uuid.UUID) -> MediaStatus | None:
        """How far one picture has come, None when there is none."""
        found = await self._session.scalar(select(MediaRow.status).where(MediaRow.media_id == media_id))
        return None if found is None else MediaStatus(found)

    async def content_hash(self, media_id: uuid.UUID) -> bytes | None:
        """The SHA-256 of one picture's bytes; None when it is not known yet, or there is no picture."""
        return await self._session.scalar(select(MediaRow.sha256).where(MediaRow.media_id == media_id))

    async def want(self, media_id: uuid.UUID, wanted: Recipes) -> None:
        """Makes a picture PROCESSING, with these variants wanted."""
        recipes = msgspec.to_builtins(wanted)
        await self._set(media_id, status=MediaStatus.PROCESSING.value, wanted=recipes)

    async def reject(self, media_id: uuid.UUID, rejection: Rejection) -> None:
        """Makes a picture REJECTED."""
        await self._set(
            media_id,
            status=MediaStatus.REJECTED.value,
            reason=rejection.reason.value,
            reason_detail=rejection.detail,
        )

    async def page(
        self, *, after: uuid.UUID | None, limit: int, entity_type: str | None, entity_id: str | None
    ) -> list[StoredMedia]:
        """At most `limit` pictures by id, beginning behind `after`."""
        query = _MEDIA.order_by(MediaRow.media_id).limit(limit)
        if after is not None:
            query = query.where(MediaRow.media_id > after)
        if entity_type is not None:
            query = query.where(MediaRow.entity_type == entity_type)
        if entity_id is not None:
            query = query.where(MediaRow.entity_id == entity_id)
        return await self._all(query)

    async def shown_among(self, media_ids: Sequence[uuid.UUID]) -> list[StoredMedia]:
        """Those of these pictures that have finished variants to show, in no order.

        One whose further variants are being made is shown with those it has.
        """
        wanted = bindparam("media_ids", media_ids, ARRAY(Uuid()))
        return await self._all(
            _MEDIA.where(
                MediaRow.media_id == func.any(wanted),
                MediaRow.sha256.is_not(None),
                MediaRow.status.in_(_SHOWN),
            )
        )

    async def delete(self, media_id: uuid.UUID) -> DeletedMedia | None:
        """Deletes one picture with its list of variants; says what it was, or None when there was none."""
        rows = await self._session.execute(
            delete(MediaRow).where(MediaRow.media_id == media_id).returning(MediaRow.key, MediaRow.sha256)
        )
        row = rows.one_or_none()
        return DeletedMedia(row.key, row.sha256) if row else None

    async def delete_unused(self, sha256: bytes) -> list[str]:
        """Deletes the renditions of some content that no picture lists, and the content once no picture has
        it; returns the renditions' keys. The content is locked by the caller.
        """
        listed = exists().where(VariantRow.key == RenditionRow.key)
        keys = await self._session.scalars(
            delete(RenditionRow)
            .where(RenditionRow.sha256 == sha256, ~listed)
            .returning(RenditionRow.key)
            .execution_options(synchronize_session=False)
        )
        deleted = sorted(keys)
        await self._session.execute(
            delete(ContentRow)
            .where(
                ContentRow.sha256 == sha256,
                ~exists().where(MediaRow.sha256 == ContentRow.sha256),
                ~exists().where(RenditionRow.sha256 == ContentRow.sha256),
            )
            .execution_options(synchronize_session=False)
        )
        return deleted

    async def _set(self, media_id: uuid.UUID, **values: Any) -> None:
        await self._session.execute(
            update(MediaRow)
            .where(MediaRow.media_id == media_id)
            .values(**values, updated_at=func.now())
            .execution_options(synchronize_session=False)
        )

    async def _one(self, query: Select[Any]) -> StoredMedia | None:
        return next(iter(await self._all(query)), None)

    async def _all(self, query: Select[Any]) -> list[StoredMedia]:
        rows = await self._session.execute(query.execution_options(populate_existing=True))
        return [_stored(row) for row in rows]


def _stored(row: Row[Any]) -> StoredMedia:
    media, content = row.MediaRow, row.ContentRow
    return StoredMedia(
        media_id=media.media_id,
        entity_type=media.entity_type,
        entity_id=media.entity_id,
        key=media.key,
        filename=media.filename,
        content_type=media.content_type,
        declared_bytes=media.declared_bytes,
        declared_sha256=media.declared_sha256,
        status=MediaStatus(media.status),
        rejection=_rejection(media),
        wanted=msgspec.convert(media.wanted, Recipes),
        content=_content(content) if content else None,
        variants=tuple(StoredVariant(*values) for values in row.variants or ()),
        created_at=media.created_at,
        updated_at=media.updated_at,
    )


def _rejection(media: MediaRow) -> Rejection | None:
    return Rejection(Reason(media.reason), media.reason_detail or "") if media.reason else None


def _content(content: ContentRow) -> Content:
    return Content(
        sha256=content.sha256,
        width=content.width,
        height=content.height,
        thumbhash=content.thumbhash,
        dominant_color=content.dominant_color,
    )
