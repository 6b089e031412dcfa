"""What the catalogue asks of the media domain, in the catalogue's words. Neither domain knows the other."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping

from server.catalog.images import FindImages, ImageVariant, ProductImage
from server.media.media import Content, StoredVariant
from server.media.service.reading import MediaService
from server.media.store import ObjectStore


def find_images_by(media: MediaService, store: ObjectStore) -> FindImages:
    """Finds pictures in the media domain's tables; `store` only says where they can be fetched."""

    async def find_images(media_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, ProductImage]:
        pictures = await media.pictures_of([*media_ids])
        return {
            media_id: _image(picture.content, picture.variants, store)
            for media_id, picture in pictures.items()
            if picture.content is not None
        }

    return find_images


def _image(content: Content, variants: Collection[StoredVariant], store: ObjectStore) -> ProductImage:
    return ProductImage(
        width=content.width,
        height=content.height,
        thumbhash=content.thumbhash,
        dominant_color=content.dominant_color,
        variants=tuple(
            ImageVariant(
                name=variant.name,
                url=store.public_url(variant.key),
                width=variant.width,
                height=variant.height,
                format=variant.format,
            )
            for variant in variants
        ),
    )
