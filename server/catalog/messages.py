"""Products as protobuf messages and back. What may be stored is decided elsewhere."""

from __future__ import annotations

import uuid
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from millrace.catalog.v1 import product_pb2
from millrace.streams.ids import id_text, new_id_bytes
from server.catalog.images import ImageVariant, ProductImage
from server.catalog.product import (
    ProductContent,
    ProductStatus,
    ProductUpsert,
    StoredProduct,
    Variant,
)

_STATUS_UNSPECIFIED = product_pb2.Product.STATUS_UNSPECIFIED


def status_of(value: product_pb2.Product.Status.ValueType) -> ProductStatus | None:
    """The status, or None for the unspecified one."""
    if value == _STATUS_UNSPECIFIED:
        return None
    return ProductStatus(product_pb2.Product.Status.Name(value))


def upsert_of(message: product_pb2.Product) -> ProductUpsert:
    """What a valid message asks to store. Mints a missing id. Raises ValueError for a bad `released_at`."""
    content = ProductContent(
        product_id=message.product_id or id_text(new_id_bytes()),
        name=message.name,
        description=message.description,
        status=status_of(message.status) or ProductStatus.ACTIVE,
        variants=tuple(_variant(variant) for variant in message.variants),
        categories=tuple(message.categories),
        tags=tuple(message.tags),
        attributes=tuple((attribute.name, attribute.value) for attribute in message.attributes),
        brand=message.brand,
        ean=tuple(message.ean),
        image_media_ids=tuple(str(uuid.UUID(media_id)) for media_id in message.image_media_ids),
        popularity=message.popularity,
        released_at=_instant(message.released_at) if message.HasField("released_at") else None,
    )
    version = message.version if message.HasField("version") else None
    return ProductUpsert(content=content, slug=message.slug or None, version=version)


def message_of(product: StoredProduct, images: Mapping[uuid.UUID, ProductImage]) -> product_pb2.Product:
    """The stored product, complete, with those of its pictures that are among `images`."""
    content = product.content
    media_ids = map(uuid.UUID, content.image_media_ids)
    message = product_pb2.Product(
        product_id=content.product_id,
        slug=product.slug,
        name=content.name,
        description=content.description,
        status=product_pb2.Product.Status.Value(content.status.value),
        variants=[_variant_message(variant) for variant in content.variants],
        categories=content.categories,
        tags=content.tags,
        attributes=[product_pb2.Attribute(name=name, value=value) for name, value in content.attributes],
        brand=content.brand,
        ean=content.ean,
        image_media_ids=content.image_media_ids,
        popularity=content.popularity,
        version=product.version,
        images=[_image_message(media_id, images[media_id]) for media_id in media_ids if media_id in images],
    )
    message.created_at.FromDatetime(product.created_at)
    message.updated_at.FromDatetime(product.updated_at)
    if content.released_at is not None:
        message.released_at.FromDatetime(content.released_at)
    return message


def _variant(message: product_pb2.Variant) -> Variant:
    return Variant(
        sku=message.sku,
        price=message.price,
        currency=message.currency,
        is_default=message.is_default,
        stock=message.stock if message.HasField("stock") else None,
    )


def _variant_message(variant: Variant) -> product_pb2.Variant:
    return product_pb2.Variant(
        sku=variant.sku,
        price=variant.price,
        currency=variant.currency,
        is_default=variant.is_default,
        stock=variant.stock,
    )


def _image_message(media_id: uuid.UUID, image: ProductImage) -> product_pb2.ProductImage:
    return product_pb2.ProductImage(
        media_id=str(media_id),
        width=image.width,
        height=image.height,
        thumbhash=b64encode(image.thumbhash).decode(),
        dominant_color=image.dominant_color,
        variants=[_image_variant_message(variant) for variant in image.variants],
    )


def _image_variant_message(variant: ImageVariant) -> product_pb2.ImageVariant:
    return product_pb2.ImageVariant(
        name=variant.name,
        url=variant.url,
        width=variant.width,
        height=variant.height,
        format=variant.format,
    )


def _instant(timestamp: Timestamp) -> datetime:
    """To the microsecond, which is what PostgreSQL keeps."""
    try:
        return timestamp.ToDatetime(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError("the instant lies outside of the years 1 to 9999") from error
