"""What storing a batch means: version rules, slugs, parallel writers. The SQL lives in the repository."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from server.catalog.product import ProductUpsert, UpsertOutcome
from server.catalog.repository import ProductRepository, ProductWrite, StoredState
from server.catalog.slugs import slug_candidates
from server.errors import Unavailable

# A round is repeated only for products whose id or slug another writer took during it.
_ROUNDS = 8


class WritersCollide(Unavailable):
    """Parallel writers of the same products or slugs kept getting in each other's way."""

    def __init__(self) -> None:
        super().__init__(
            "Others write the same products at the same time. Repeat the call.",
            reason="STORE_UNAVAILABLE",
            retry_after=0.1,
        )


@dataclass(frozen=True, slots=True)
class SlugConflict:
    """The product was not stored, because another one has the slug that it asks for."""

    slug: str


Result = UpsertOutcome | SlugConflict


def outcome_for(upsert: ProductUpsert, content_hash: bytes, stored: StoredState | None) -> UpsertOutcome:
    """What this upsert does to what is stored, slugs being free."""
    if stored is None:
        return UpsertOutcome.CREATED
    if upsert.version is not None and upsert.version < stored.version:
        return UpsertOutcome.STALE
    same_content = content_hash == stored.content_hash and upsert.slug in (None, stored.slug)
    same_version = upsert.version in (None, stored.version)
    return UpsertOutcome.UNCHANGED if same_content and same_version else UpsertOutcome.UPDATED


class Upserts:
    """Stores batches of products within the repository's transaction."""

    def __init__(self, products: ProductRepository) -> None:
        self._products = products

    async def store(self, upserts: Sequence[ProductUpsert]) -> list[Result]:
        """One result for each upsert, in order; their product ids must differ."""
        results: dict[str, Result] = {}
        pending = [*upserts]
        # In id order, so that two batches meet the same rows in the same order.
        pending.sort(key=lambda upsert: upsert.content.product_id)
        for _ in range(_ROUNDS):
            results |= await self._round(pending)
            pending = [upsert for upsert in pending if upsert.content.product_id not in results]
            if not pending:
                return [results[upsert.content.product_id] for upsert in upserts]
        raise WritersCollide

    async def _round(self, upserts: Sequence[ProductUpsert]) -> dict[str, Result]:
        """The results reached; a new product that another writer got in the way of is missing."""
        stored = await self._products.lock_existing([upsert.content.product_id for upsert in upserts])
        results: dict[str, Result] = {}
        changing: list[tuple[ProductUpsert, bytes]] = []
        for upsert in upserts:
            content_hash = upsert.content.content_hash()
            outcome = outcome_for(upsert, content_hash, stored.get(upsert.content.product_id))
            if outcome in (UpsertOutcome.UNCHANGED, UpsertOutcome.STALE):
                results[upsert.content.product_id] = outcome
            else:
                changing.append((upsert, content_hash))
        if not changing:
            return results
        # Only what will be written may claim a slug: a stale product must not keep a new one from its own.
        slugs = await self._settle_slugs([upsert for upsert, _ in changing], stored)
        inserts: list[ProductWrite] = []
        updates: list[ProductWrite] = []
        for upsert, content_hash in changing:
            before = stored.get(upsert.content.product_id)
            slug = slugs[upsert.content.product_id]
            if isinstance(slug, SlugConflict):
                results[upsert.content.product_id] = slug
                continue
            version = upsert.version or (before.version + 1 if before else 1)
            (updates if before else inserts).append(ProductWrite(upsert.content, slug, version, content_hash))
        return results | await self._write(inserts, updates)

    async def _write(
        self, inserts: Sequence[ProductWrite], updates: Sequence[ProductWrite]
    ) -> dict[str, Result]:
        results: dict[str, Result] = {}
        if updates:
            await self._products.update(updates)
            results |= {write.content.product_id: UpsertOutcome.UPDATED for write in updates}
        if inserts:
            inserted = await self._products.insert(inserts)
            results |= dict.fromkeys(inserted, UpsertOutcome.CREATED)
        return results

    async def _settle_slugs(
        self, upserts: Sequence[ProductUpsert], stored: Mapping[str, StoredState]
    ) -> dict[str, str | SlugConflict]:
        """The slug of each product: given, kept, or the first candidate that is free."""
        wanted = {upsert.content.product_id: _wanted_slugs(upsert, stored) for upsert in upserts}
        owners = await self._products.owners_of_slugs({slug for slugs in wanted.values() for slug in slugs})
        settled: dict[str, str | SlugConflict] = {}
        for product_id, slugs in wanted.items():
            free = next((slug for slug in slugs if owners.get(slug, product_id) == product_id), None)
            settled[product_id] = SlugConflict(slugs[0]) if free is None else free
            if free is not None:
                owners[free] = product_id
        return settled


def _wanted_slugs(upsert: ProductUpsert, stored: Mapping[str, StoredState]) -> tuple[str, ...]:
    """Slugs in the order of preference. A product keeps its slug when its name changes: links point at it."""
    before = stored.get(upsert.content.product_id)
    if upsert.slug is not None:
        return (upsert.slug,)
    if before is not None:
        return (before.slug,)
    return tuple(slug_candidates(upsert.content.name, upsert.content.product_id))
