"""The catalogue's use cases and their errors. How a product looks on the wire is the servicer's part."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from server.catalog.product import ProductFacts, ProductStatus, ProductUpsert, StoredProduct, UpsertOutcome
from server.catalog.repository import ProductRepository
from server.catalog.upserts import SlugConflict, Upserts, WritersCollide
from server.db.engine import Sessions
from server.errors import AlreadyExists, NotFound

ResultT = TypeVar("ResultT")

_ATTEMPTS = 5
_DEADLOCK = "40P01"


class ProductNotFound(NotFound):
    """No product has this id, as far as the caller may know."""

    def __init__(self, product_id: str) -> None:
        super().__init__(
            "No product has this id.", reason="PRODUCT_NOT_FOUND", metadata={"product_id": product_id}
        )


class SlugTaken(AlreadyExists):
    """Another product already has the slug asked for."""

    def __init__(self, slug: str) -> None:
        super().__init__(
            "Another product has this slug; give another one, or none.",
            reason="SLUG_TAKEN",
            metadata={"slug": slug},
        )


@dataclass(frozen=True, slots=True)
class ProductFilter:
    """Which products a list shows; None does not narrow."""

    status: ProductStatus | None = None
    brand: str | None = None


class CatalogService:
    """Stores and finds products. Each method is one transaction."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def upsert_product(self, upsert: ProductUpsert) -> StoredProduct:
        """Store one product and return what is stored then. Raises SlugTaken."""

        async def write(session: AsyncSession) -> StoredProduct:
            products = ProductRepository(session)
            [outcome] = await Upserts(products).store([upsert])
            if isinstance(outcome, SlugConflict):
                raise SlugTaken(outcome.slug)
            return await products.read(upsert.content.product_id)

        return await self._until_undisturbed(write)

    async def upsert_products(
        self, upserts: Sequence[ProductUpsert]
    ) -> Sequence[UpsertOutcome | SlugConflict]:
        """Store many products with different ids; one answer for each, in order.

        A product whose slug is taken is not stored and does not keep the others from it.
        """

        async def write(session: AsyncSession) -> Sequence[UpsertOutcome | SlugConflict]:
            return await Upserts(ProductRepository(session)).store(upserts)

        return await self._until_undisturbed(write)

    async def get_product(self, product_id: str, *, only_active: bool) -> StoredProduct:
        """One product. Raises ProductNotFound, also for one that the caller may not see."""
        async with self._sessions() as session:
            product = await ProductRepository(session).find(product_id)
        if product is None or (only_active and product.content.status is not ProductStatus.ACTIVE):
            raise ProductNotFound(product_id)
        return product

    async def list_products(
        self, wanted: ProductFilter, *, after: str | None, limit: int
    ) -> list[StoredProduct]:
        """At most `limit` products in id order, behind the id `after`."""
        async with self._sessions() as session:
            return await ProductRepository(session).page(
                after=after, limit=limit, status=wanted.status, brand=wanted.brand
            )

    async def delete_product(self, product_id: str) -> None:
        """Delete one product. Raises ProductNotFound."""
        async with self._sessions.begin() as session:
            if not await ProductRepository(session).delete(product_id):
                raise ProductNotFound(product_id)

    async def find_product(self, product_id: str, session: AsyncSession | None = None) -> ProductFacts | None:
        """What other domains may know of a product, read in their session when they give one."""
        if session is not None:
            return await ProductRepository(session).find_facts(product_id)
        async with self._sessions() as own_session:
            return await ProductRepository(own_session).find_facts(product_id)

    async def _until_undisturbed(self, write: Callable[[AsyncSession], Awaitable[ResultT]]) -> ResultT:
        """Run `write` in a transaction, again when another writer took a slug or a lock in between."""
        for _ in range(_ATTEMPTS):
            try:
                async with self._sessions.begin() as session:
                    return await write(session)
            except DBAPIError as error:
                if not _is_disturbance(error):
                    raise
        raise WritersCollide


def _is_disturbance(error: DBAPIError) -> bool:
    return isinstance(error, IntegrityError) or getattr(error.orig, "sqlstate", None) == _DEADLOCK
