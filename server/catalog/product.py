"""What a product is inside the catalogue: values and their content hash. No table, no message."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class ProductStatus(StrEnum):
    """Whether shoppers may see the product."""

    ACTIVE = "ACTIVE"
    DRAFT = "DRAFT"
    ARCHIVED = "ARCHIVED"


class UpsertOutcome(StrEnum):
    """What an upsert did to one product."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    UNCHANGED = "UNCHANGED"
    STALE = "STALE"


@dataclass(frozen=True, slots=True)
class Variant:
    """One thing that can be bought; `price` in minor units of `currency`, `stock` None when not tracked."""

    sku: str
    price: int
    currency: str
    is_default: bool
    stock: int | None


@dataclass(frozen=True, slots=True)
class ProductContent:
    """What the source says about a product. Its hash and its stored form have the default variant first."""

    product_id: str
    name: str
    description: str
    status: ProductStatus
    variants: tuple[Variant, ...]
    categories: tuple[str, ...]
    tags: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...]
    brand: str
    ean: tuple[str, ...]
    image_media_ids: tuple[str, ...]
    popularity: float
    released_at: datetime | None

    def content_hash(self) -> bytes:
        """A digest that is equal for equal content, between processes and releases."""
        parts = [
            self.name,
            self.description,
            self.status.value,
            [[v.sku, v.price, v.currency, v.is_default, v.stock] for v in self.variants],
            self.categories,
            self.tags,
            self.attributes,
            self.brand,
            self.ean,
            self.image_media_ids,
            self.popularity,
            self.released_at.isoformat() if self.released_at else None,
        ]
        # Adding a field here makes every stored product "changed" once; append it only when it is set.
        return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).digest()


@dataclass(frozen=True, slots=True)
class ProductUpsert:
    """A product to store: its content, slug and source version where the source gave them."""

    content: ProductContent
    slug: str | None
    version: int | None


@dataclass(frozen=True, slots=True)
class StoredProduct:
    """A product as the catalogue holds it."""

    content: ProductContent
    slug: str
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """The little that another domain may ask about a product."""

    product_id: str
    slug: str
    status: ProductStatus
    categories: tuple[str, ...]


def in_normal_form(content: ProductContent) -> ProductContent:
    """The same product as it is stored: its default variant marked and in front."""
    return replace(content, variants=_with_default_first(content.variants))


def _with_default_first(variants: Sequence[Variant]) -> tuple[Variant, ...]:
    if not variants:
        return ()
    # The first one is the default when none is marked.
    chosen = next((number for number, variant in enumerate(variants) if variant.is_default), 0)
    others = [variant for number, variant in enumerate(variants) if number != chosen]
    return tuple(
        Variant(v.sku, v.price, v.currency, is_default=number == 0, stock=v.stock)
        for number, v in enumerate([variants[chosen], *others])
    )
