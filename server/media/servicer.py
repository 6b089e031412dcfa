"""MediaService on the wire: messages in, messages out. Rules and transactions live in the service."""

# ruff: noqa: N802 - the contract names the methods

from __future__ import annotations

import asyncio
import uuid
from typing import Any, Final

from google.protobuf.empty_pb2 import Empty

from millrace.media.v1 import media_pb2, media_service_pb2_grpc
from millrace.media.v1 import media_service_pb2 as pb
from server.auth.principal import current_principal
from server.errors import FieldViolation
from server.media.media import MediaStatus, StoredMedia
from server.media.messages import asked_variants, declaration_of, media_message, upload_message
from server.media.service.deletion import DeletionService
from server.media.service.reading import MediaFilter, MediaService
from server.media.service.requests import VariantRequests
from server.media.service.uploads import UploadService
from server.media.store import ObjectStore
from server.rpc.pages import PageTokens
from server.rpc.validation import invalid_fields

# Leaves room below the 4 MiB that gRPC clients accept by default; a page may be shorter than asked for.
_PAGE_MAX_BYTES: Final = 3 * 1024 * 1024
_WAIT_SECONDS: Final = 10.0
# What the answer needs of the caller's own deadline, once the waiting is over.
_ANSWER_SECONDS: Final = 0.5


class MediaServicer(media_service_pb2_grpc.MediaServiceServicer):
    """Every RPC of `millrace.media.v1.MediaService`. `store` is asked for nothing here but URLs."""

    def __init__(
        self,
        *,
        media: MediaService,
        uploads: UploadService,
        requests: VariantRequests,
        deletion: DeletionService,
        store: ObjectStore,
        page_tokens: PageTokens,
    ) -> None:
        self._media = media
        self._uploads = uploads
        self._requests = requests
        self._deletion = deletion
        self._store = store
        self._page_tokens = page_tokens

    async def CreateUploadUrl(
        self, request: pb.CreateUploadUrlRequest, _context: Any
    ) -> pb.CreateUploadUrlResponse:
        return upload_message(await self._uploads.create(declaration_of(request)))

    async def ProcessMedia(self, request: pb.ProcessMediaRequest, context: Any) -> media_pb2.Media:
        end_at = asyncio.get_running_loop().time() + _patience(context)
        media = await self._requests.request(_reference(request), asked_variants(request.variants))
        if request.wait and media.status is MediaStatus.PROCESSING:
            left = max(0.0, end_at - asyncio.get_running_loop().time())
            media = await self._requests.finished(media.media_id, within=left)
        return self._message(media)

    async def GetMedia(self, request: pb.GetMediaRequest, _context: Any) -> media_pb2.Media:
        return self._message(await self._media.get(uuid.UUID(request.media_id)))

    async def ListMedia(self, request: pb.ListMediaRequest, _context: Any) -> pb.ListMediaResponse:
        if request.entity_id and not request.entity_type:
            raise invalid_fields([FieldViolation("entity_type", "must be given with an entity id")])
        caller = current_principal().identity
        page = self._page_tokens.open(request, caller=caller)
        wanted = MediaFilter(entity_type=request.entity_type or None, entity_id=request.entity_id or None)
        after = uuid.UUID(str(page.after[0])) if page.after else None
        found = await self._media.page(wanted, after=after, limit=page.size + 1)
        answer = pb.ListMediaResponse()
        size = 0
        for media in found[: page.size]:
            message = self._message(media)
            size += message.ByteSize()
            if answer.media and size > _PAGE_MAX_BYTES:
                break
            answer.media.append(message)
        if len(found) > len(answer.media):
            last = answer.media[-1].media_id
            answer.next_page_token = self._page_tokens.seal(request, caller=caller, after=(last,))
        return answer

    async def DeleteMedia(self, request: pb.DeleteMediaRequest, _context: Any) -> Empty:
        await self._deletion.delete(uuid.UUID(request.media_id))
        return Empty()

    def _message(self, media: StoredMedia) -> media_pb2.Media:
        return media_message(media, self._store)


def _reference(request: pb.ProcessMediaRequest) -> uuid.UUID | str:
    if bool(request.media_id) == bool(request.key):
        raise invalid_fields([FieldViolation("media_id", "must be given, or the key instead of it")])
    return uuid.UUID(request.media_id) if request.media_id else request.key


def _patience(context: Any) -> float:
    """For how many seconds a call may wait, so that the answer still comes before its deadline."""
    remaining = context.time_remaining()
    return _WAIT_SECONDS if remaining is None else max(0.0, min(_WAIT_SECONDS, remaining - _ANSWER_SECONDS))
