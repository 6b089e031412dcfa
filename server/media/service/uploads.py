"""Giving out upload URLs. Nothing passes through us: browsers send the bytes to the store."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from millrace.streams.ids import new_id_bytes
from server.db.engine import Sessions
from server.media.content_types import EXTENSIONS
from server.media.errors import StoreAway, TypeNotAllowed
from server.media.keys import original_key
from server.media.repository import MediaRepository, NewMedia
from server.media.store import ObjectStore, StoreUnavailable

log = structlog.get_logger(__name__)

UPLOAD_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class Declaration:
    """What an uploader says of a file, in the forms that the contract asks for. `length` in bytes."""

    filename: str
    content_type: str
    length: int
    entity_type: str
    entity_id: str
    sha256: bytes | None


@dataclass(frozen=True, slots=True)
class Upload:
    """How to upload a declared file: one PUT to `url` with these headers, until `expires_at`."""

    media_id: uuid.UUID
    key: str
    url: str
    headers: Mapping[str, str]
    public_url: str
    expires_at: datetime


class UploadService:
    """Records pictures before there are any bytes of them."""

    def __init__(self, sessions: Sessions, store: ObjectStore) -> None:
        self._sessions = sessions
        self._store = store

    async def create(self, declared: Declaration) -> Upload:
        """Sign a URL, and record the picture as PENDING. Raises TypeNotAllowed, and StoreAway with nothing
        recorded.
        """
        content_type = declared.content_type.lower()
        if content_type not in EXTENSIONS:
            raise TypeNotAllowed
        media_id = uuid.UUID(bytes=new_id_bytes())
        new = NewMedia(
            media_id=media_id,
            entity_type=declared.entity_type,
            entity_id=declared.entity_id,
            key=original_key(declared.entity_type, declared.entity_id, media_id, content_type),
            filename=declared.filename,
            content_type=content_type,
            declared_bytes=declared.length,
            declared_sha256=declared.sha256,
        )
        upload = await self._sign(new)
        async with self._sessions.begin() as session:
            await MediaRepository(session).add(new)
        return upload

    async def _sign(self, new: NewMedia) -> Upload:
        # Signatures carry whole seconds: this never says later than the store means.
        signed_at = datetime.now(UTC).replace(microsecond=0)
        try:
            put = await self._store.presign_put(
                new.key,
                content_type=new.content_type,
                size=new.declared_bytes,
                sha256=new.declared_sha256,
                expires_seconds=UPLOAD_SECONDS,
            )
        except StoreUnavailable as error:
            log.warning("upload_not_signed", error=str(error))
            raise StoreAway from error
        return Upload(
            media_id=new.media_id,
            key=new.key,
            url=put.url,
            headers=put.headers,
            public_url=self._store.public_url(new.key),
            expires_at=signed_at + timedelta(seconds=UPLOAD_SECONDS),
        )
