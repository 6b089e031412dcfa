"""The questions that the catalogue asks PostgreSQL. What to do with the answers is decided elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Double,
    LargeBinary,
    Table,
    Text,
    Uuid,
    bindparam,
    column,
    delete,
    func,
    select,
)
from sqlalchemy import update as sql_update
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from server.catalog.models import ProductRow
from server.catalog.product import (
    ProductContent,
    ProductFacts,
    ProductStatus,
    StoredProduct,
    Variant,
)

# The plain table: an ORM insert would take the one parameter for a row.
_products = cast(Table, ProductRow.__table__)

# A batch travels as one JSON parameter: the statement's text stays the same whatever its size, and
# 500 products cost one round trip instead of 9,000 bound values.
_INCOMING_COLUMNS: dict[str, TypeEngine[Any]] = {
    "product_id": Text(),
    "slug": Text(),
    "name": Text(),
    "description": Text(),
    "status": Text(),
    "brand": Text(),
    "variants": JSONB(),
    "categories": ARRAY(Text()),
    "tags": ARRAY(Text()),
    "attributes": JSONB(),
    "ean": ARRAY(Text()),
    "image_media_ids": ARRAY(Uuid()),
    "popularity": Double(),
    "released_at": TIMESTAMP(timezone=True),
    "version": BigInteger(),
    "content_hash": LargeBinary(),
}
_incoming = (
    func.jsonb_to_recordset(bindparam("products", type_=JSONB()))
    .table_valued(*(column(name, kind) for name, kind in _INCOMING_COLUMNS.items()))
    .render_derived(name="incoming", with_types=True)
)
_INSERT = (
    pg_insert(_products)
    .from_select(list(_INCOMING_COLUMNS), select(*_incoming.c))
    .on_conflict_do_nothing()
    .returning(_products.c.product_id)
)
_UPDATE = (
    sql_update(_products)
    .where(_products.c.product_id == _incoming.c.product_id)
    .values({name: _incoming.c[name] for name in _INCOMING_COLUMNS if name != "product_id"})
    .values(updated_at=func.now())
)


@dataclass(frozen=True, slots=True)
class StoredState:
    """What decides over an upsert of a product that exists."""

    slug: str
    version: int
    content_hash: bytes


@dataclass(frozen=True, slots=True)
class ProductWrite:
    """A product as it shall be stored, slug and version settled."""

    content: ProductContent
    slug: str
    version: int
    content_hash: bytes


class ProductRepository:
    """Named queries over one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def lock_existing(self, product_ids: Collection[str]) -> Mapping[str, StoredState]:
        """The state of those that exist, locked in id order: two batches never wait crosswise."""
        rows = await self._session.execute(
            select(ProductRow.product_id, ProductRow.slug, ProductRow.version, ProductRow.content_hash)
            .where(ProductRow.product_id == func.any(bindparam("ids", list(product_ids), ARRAY(Text()))))
            .order_by(ProductRow.product_id)
            .with_for_update(key_share=True)
        )
        return {row.product_id: StoredState(row.slug, row.version, row.content_hash) for row in rows}

    async def owners_of_slugs(self, slugs: Collection[str]) -> dict[str, str]:
        """Product ids by slug, for those slugs that are taken."""
        rows = await self._session.execute(
            select(ProductRow.slug, ProductRow.product_id).where(
                ProductRow.slug == func.any(bindparam("slugs", list(slugs), ARRAY(Text())))
            )
        )
        return {row.slug: row.product_id for row in rows}

    async def insert(self, products: Sequence[ProductWrite]) -> set[str]:
        """The ids that were stored. One whose id or slug was taken meanwhile is left out, not an error."""
        inserted = await self._session.scalars(
            _INSERT, {"products": [_record(product) for product in products]}
        )
        return set(inserted)

    async def update(self, products: Sequence[ProductWrite]) -> None:
        """Replace products that exist and are locked."""
        await self._session.execute(_UPDATE, {"products": [_record(product) for product in products]})

    async def find(self, product_id: str) -> StoredProduct | None:
        """One product, or None."""
        row = await self._session.get(ProductRow, product_id)
        return _stored(row) if row else None

    async def read(self, product_id: str) -> StoredProduct:
        """One product that must be there, because this transaction wrote or locked it."""
        return _stored(await self._session.get_one(ProductRow, product_id, populate_existing=True))

    async def find_facts(self, product_id: str) -> ProductFacts | None:
        """What other domains may know of one product, or None."""
        found = await self._session.execute(
            select(ProductRow.slug, ProductRow.status, ProductRow.categories).where(
                ProductRow.product_id == product_id
            )
        )
        row = found.one_or_none()
        if row is None:
            return None
        return ProductFacts(product_id, row.slug, ProductStatus(row.status), tuple(row.categories))

    async def page(
        self, *, after: str | None, limit: int, status: ProductStatus | None, brand: str | None
    ) -> list[StoredProduct]:
        """At most `limit` products by id, beginning behind `after`."""
        query = select(ProductRow).order_by(ProductRow.product_id).limit(limit)
        if after is not None:
            query = query.where(ProductRow.product_id > after)
        if status is not None:
            query = query.where(ProductRow.status == status.value)
        if brand is not None:
            query = query.where(ProductRow.brand == brand)
        return [_stored(row) for row in await self._session.scalars(query)]

    async def delete(self, product_id: str) -> bool:
        """Delete one product; says whether it was there."""
        deleted = await self._session.scalars(
            delete(ProductRow).where(ProductRow.product_id == product_id).returning(ProductRow.product_id)
        )
        return deleted.one_or_none() is not None


def _record(product: ProductWrite) -> dict[str, Any]:
    content = product.content
    return {
        "product_id": content.product_id,
        "slug": product.slug,
        "name": content.name,
        "description": content.description,
        "status": content.status.value,
        "brand": content.brand,
        "variants": [[v.sku, v.price, v.currency, v.is_default, v.stock] for v in content.variants],
        "categories": content.categories,
        "tags": content.tags,
        "attributes": content.attributes,
        "ean": content.ean,
        "image_media_ids": content.image_media_ids,
        "popularity": content.popularity,
        "released_at": content.released_at.isoformat() if content.released_at else None,
        "version": product.version,
        "content_hash": f"\\x{product.content_hash.hex()}",
    }


def _stored(row: ProductRow) -> StoredProduct:
    content = ProductContent(
        product_id=row.product_id,
        name=row.name,
        description=row.description,
        status=ProductStatus(row.status),
        variants=tuple(Variant(*parts) for parts in row.variants),
        categories=tuple(row.categories),
        tags=tuple(row.tags),
        attributes=tuple((name, value) for name, value in row.attributes),
        brand=row.brand,
        ean=tuple(row.ean),
        image_media_ids=tuple(map(str, row.image_media_ids)),
        popularity=row.popularity,
        released_at=row.released_at,
    )
    return StoredProduct(content, row.slug, row.version, row.created_at, row.updated_at)
