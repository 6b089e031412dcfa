"""Pictures and recipes as protobuf messages and back. What is taken and what is made is decided elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import cast

from millrace.media.v1 import media_pb2
from millrace.media.v1 import media_service_pb2 as pb
from server.errors import FieldViolation, InvalidArgument
from server.media.media import StoredMedia, StoredVariant
from server.media.recipes import DEFAULT_QUALITY, MIDDLE, WHITE, Fit, Format, Recipe
from server.media.service.asked_variants import AskedVariant
from server.media.service.uploads import Declaration, Upload
from server.media.store import ObjectStore


def declaration_of(request: pb.CreateUploadUrlRequest) -> Declaration:
    """What a valid request declares."""
    return Declaration(
        filename=request.filename,
        content_type=request.content_type,
        length=request.content_length,
        entity_type=request.entity_type,
        entity_id=request.entity_id,
        sha256=bytes.fromhex(request.sha256) if request.sha256 else None,
    )


def upload_message(upload: Upload) -> pb.CreateUploadUrlResponse:
    """How to upload, complete."""
    message = pb.CreateUploadUrlResponse(
        media_id=str(upload.media_id),
        upload_url=upload.url,
        headers=upload.headers,
        public_url=upload.public_url,
        key=upload.key,
    )
    message.expires_at.FromDatetime(upload.expires_at)
    return message


def asked_variants(messages: Sequence[media_pb2.VariantRecipe]) -> tuple[AskedVariant, ...]:
    """What valid messages ask for. Raises InvalidArgument naming each that has neither width nor height."""
    asked = [_asked(message) for message in messages]
    broken = [
        FieldViolation(f"variants[{position}].width", "must be given when height is not")
        for position, each in enumerate(asked)
        if each is None
    ]
    if broken:
        raise InvalidArgument(
            f"Correct the field {broken[0].field}: {broken[0].message}.",
            reason="INVALID_FIELD",
            fields=broken,
        )
    return tuple(each for each in asked if each is not None)


def _asked(message: media_pb2.VariantRecipe) -> AskedVariant | None:
    if [field.name for field, _ in message.ListFields()] == ["name"]:
        return message.name
    if not message.HasField("width") and not message.HasField("height"):
        return None
    focal = message.focal_point
    return Recipe(
        name=message.name,
        width=message.width if message.HasField("width") else None,
        height=message.height if message.HasField("height") else None,
        # The contract takes no other words.
        fit=cast(Fit, message.fit or "cover"),
        format=cast(Format, message.format or "webp"),
        quality=message.quality if message.HasField("quality") else DEFAULT_QUALITY,
        focal_x=focal.x if focal.HasField("x") else MIDDLE,
        focal_y=focal.y if focal.HasField("y") else MIDDLE,
        background=_opaque(message.background.lower()) if message.background else WHITE,
        upscale=message.upscale,
    )


def _opaque(colour: str) -> str:
    return f"{colour}ff" if len(colour) == len("#rrggbb") else colour


def media_message(media: StoredMedia, store: ObjectStore) -> media_pb2.Media:
    """The picture, complete; `store` knows the URLs."""
    message = media_pb2.Media(
        media_id=str(media.media_id),
        status=media_pb2.Media.Status.Value(media.status.value),
        content_type=media.content_type,
        bytes=media.declared_bytes,
        variants=[_variant_message(variant, store) for variant in media.variants],
        entity_type=media.entity_type,
        entity_id=media.entity_id,
        key=media.key,
        public_url=store.public_url(media.key),
        filename=media.filename,
    )
    message.created_at.FromDatetime(media.created_at)
    message.updated_at.FromDatetime(media.updated_at)
    if media.rejection is not None:
        message.reason = media_pb2.Media.Reason.Value(media.rejection.reason.value)
        message.reason_detail = media.rejection.detail
    if media.content is not None:
        message.width = media.content.width
        message.height = media.content.height
        message.sha256 = media.content.sha256.hex()
        message.thumbhash = base64.b64encode(media.content.thumbhash).decode()
        message.dominant_color = media.content.dominant_color
    return message


def _variant_message(variant: StoredVariant, store: ObjectStore) -> media_pb2.MediaVariant:
    return media_pb2.MediaVariant(
        name=variant.name,
        url=store.public_url(variant.key),
        width=variant.width,
        height=variant.height,
        bytes=variant.bytes,
        format=variant.format,
    )
