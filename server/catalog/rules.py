"""The rules on a product that the contract's field options cannot state. Pure: no database, no messages."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from server.catalog.product import ProductContent, ProductUpsert, Variant

BrokenRule = tuple[str, str]

# Half of what the column holds: a product whose source stops giving versions can still count on from here.
LARGEST_VERSION = 2**62
# Controls and every kind of space.
_REFUSED_IN_IDS = frozenset({"Cc", "Zs", "Zl", "Zp"})


def broken_rules(upsert: ProductUpsert) -> list[BrokenRule]:
    """Pairs of field path and what the field must be; empty for a good product."""
    content = upsert.content
    return [
        *_id_rules(content.product_id),
        *_unstorable_texts(content),
        *_variant_rules(content.variants),
        *_version_rules(upsert.version),
    ]


def _id_rules(product_id: str) -> Iterator[BrokenRule]:
    """An id is one segment of a URL's path, and browsers fold "." and ".." away however they are escaped."""
    if product_id in {".", ".."}:
        yield "product_id", 'must not be "." or ".."'
    if any(unicodedata.category(character) in _REFUSED_IN_IDS for character in product_id):
        yield "product_id", "must not contain spaces or control characters"


def _version_rules(version: int | None) -> Iterator[BrokenRule]:
    if version is not None and version > LARGEST_VERSION:
        yield "version", f"must be at most {LARGEST_VERSION}"


def _variant_rules(variants: tuple[Variant, ...]) -> Iterator[BrokenRule]:
    seen: set[str] = set()
    default_seen = False
    for number, variant in enumerate(variants):
        if variant.sku in seen:
            yield f"variants[{number}].sku", "must be unique within the product"
        seen.add(variant.sku)
        if variant.is_default and default_seen:
            yield f"variants[{number}].is_default", "must be set for one variant at most"
        default_seen = default_seen or variant.is_default


def _unstorable_texts(content: ProductContent) -> Iterator[BrokenRule]:
    """PostgreSQL stores every character but NUL."""
    for path, text in _texts(content):
        if "\0" in text:
            yield path, "must not contain NUL characters"


def _texts(content: ProductContent) -> Iterator[tuple[str, str]]:
    yield "product_id", content.product_id
    yield "name", content.name
    yield "description", content.description
    yield "brand", content.brand
    yield from ((f"variants[{n}].sku", variant.sku) for n, variant in enumerate(content.variants))
    yield from ((f"categories[{n}]", text) for n, text in enumerate(content.categories))
    yield from ((f"tags[{n}]", text) for n, text in enumerate(content.tags))
    for n, (name, value) in enumerate(content.attributes):
        yield f"attributes[{n}].name", name
        yield f"attributes[{n}].value", value
